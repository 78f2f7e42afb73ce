"""Everything that the doctor may find: how grave it is, what it says, and what to do about it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "note", "warning", "problem"]
LEVELS: tuple[Level, ...] = ("ok", "note", "warning", "problem")
"""From nothing to do, over worth knowing and will hurt one day, to does not work."""


class Check(NamedTuple):
    """One thing that may be found. `about` is what was looked at; `text` and `remedy` have {names} to be filled in."""

    level: Level
    about: str
    text: str
    remedy: str = ""


class Finding(NamedTuple):
    """One thing that was found; `code` is its name in CHECKS."""

    code: str
    level: Level
    about: str
    text: str
    remedy: str = ""


def found(code: str, **values: object) -> Finding:
    """A finding, its words filled in."""
    level, about, text, remedy = CHECKS[code]
    return Finding(code, level, about, text.format(**values), remedy.format(**values))


CHECKS: dict[str, Check] = {
    # -- the project ---------------------------------------------------------------------------------------------------
    "configuration_ok": Check("ok", "bac.yaml", "owner {owner}; environments {environments}"),
    "configuration_missing": Check("problem", "bac.yaml", "{said}", "run bac in your project, or start one: bac init"),
    "configuration_wrong": Check("problem", "bac.yaml", "{said}", "{right}"),
    "environment_unclear": Check("problem", "environment", "{said}", "name one that bac.yaml has: --env NAME"),
    "same_url": Check(
        "warning",
        "environment",
        "{one} and {other} are one OpenMeter ({url}), so each undoes what the other applies",
        "give each environment its own url, or take one out",
    ),
    "url_with_api": Check(
        "problem", "environment", "the url ends in {end}, which bac adds by itself", "leave it out: url: {url}"
    ),
    "catalog_ok": Check("ok", "catalog", "valid for {environment}: resources {resources}, files {files}"),
    "catalog_empty": Check("note", "catalog", "{folder} declares nothing", "bac init writes a first catalog"),
    "catalog_wrong": Check("problem", "catalog", "{said}", "{right}"),
    "catalog_more": Check("problem", "catalog", "and {more} more", "bac validate tells all of them"),
    "secret_unset": Check(
        "warning",
        "secrets",
        "{variable} is on the `secrets` list of bac.yaml and not set here",
        "set it where bac applies, or take it off the list",
    ),
    "token_unset": Check(
        "problem",
        "token",
        "{environment} takes its token from {variable}, which is not set",
        "set it: export {variable}=...",
    ),
    "token_unusable": Check(
        "problem",
        "token",
        "{variable} holds characters that no token has (a line break, a quote of another alphabet)",
        "set it again, the token alone",
    ),
    "token_over_http": Check(
        "warning",
        "token",
        "it is sent over plain http to {host}, where whoever is in between reads it",
        "write the url with https",
    ),
    "writes_narrow": Check(
        "warning",
        "writes",
        "writes.narrow is {number}: OpenMeter's usual pool of 4 database connections hangs on 4 entitlement writes at "
        "once, for everybody",
        "2 is safe anywhere; more only where `postgres` in OpenMeter's configuration has a larger pool",
    ),
    "writes_wide": Check(
        "warning", "writes", "writes.wide is {number}, and more than 8 were never measured", "wide: 8"
    ),
    "reads_many": Check("note", "reads", "reads is {number}: more than 8 at a time gain nothing", "reads: 8"),
    # -- what earlier runs left ----------------------------------------------------------------------------------------
    "run_unfinished": Check(
        "warning",
        ".bac",
        "an apply died and is not finished ({path}); the next one is refused until it is",
        "finish it: bac apply --env {environment} --resume; or give it up, with --abandon",
    ),
    "apply_running": Check("note", ".bac", "another bac apply is running here", "wait for it before you apply"),
    "state_not_ignored": Check(
        "warning",
        ".bac",
        "git does not ignore .bac/, whose plans hold customers' names",
        "add a line to .gitignore: .bac/",
    ),
    # -- the review gate -----------------------------------------------------------------------------------------------
    "gate_ok": Check("ok", "gate", "{people} may approve, by {source}"),
    "trail_ok": Check("ok", "gate", "nobody has changed the trail of who did what: entries {entries}"),
    "no_approvers": Check(
        "warning",
        "gate",
        "{environment} applies approved plans, and nobody may approve: only a reviewed intent is applied",
        "write the list, a line for each (NAME ssh-ed25519 KEY), outside of the project, and name it in BAC_APPROVERS",
    ),
    "no_approvers_for_agents": Check(
        "warning",
        "gate",
        "agents may propose for {environment}, and nobody may approve, so that nothing they propose is ever applied",
        "write the list, a line for each (NAME ssh-ed25519 KEY), outside of the project, and name it in BAC_APPROVERS; "
        "or let agents read only: agents: {{read_only: true}}",
    ),
    "approvers_unusable": Check("problem", "gate", "{said}", "{right}"),
    "approvers_writable": Check(
        "warning",
        "gate",
        "others than its owner can write {path}, and so say who may approve",
        "take that right away: chmod go-w {path}",
    ),
    "too_few_approvers": Check(
        "problem",
        "gate",
        "{needed} people must approve, and the list has {people} ({source}): nothing can be approved",
        "add people to the list, or ask for fewer: approvals: {people}",
    ),
    "approvals_not_required": Check(
        "warning",
        "gate",
        "bac.yaml says who must approve for {environment}, and a plain `bac apply` there asks nobody",
        "require_approval: true",
    ),
    "key_readable": Check(
        "warning",
        "gate",
        "others than its owner can read the key {path}, and so approve with it",
        "chmod 600 {path}; better, a security key: ssh-keygen -t ed25519-sk -O verify-required",
    ),
    "key_inside": Check(
        "warning",
        "gate",
        "the key {path} lies in the project, where agents work",
        "move it out of the project, and make another one, since this may have been read",
    ),
    "trail_broken": Check(
        "problem",
        "gate",
        ".bac/audit.jsonl was changed after it was written: line {line} {why} (wrong lines {count})",
        "bac audit shows where; find out who did it, and keep heads elsewhere from now on: bac audit --verify",
    ),
    "trail_unreadable": Check("problem", "gate", "{said}", "give yourself the right to read .bac/"),
    "proposal_tampered": Check(
        "problem",
        "gate",
        "the plan of proposal {digest} was changed after it was proposed; it cannot be approved or applied",
        "find out who did it, and propose again",
    ),
    # -- the way to it -------------------------------------------------------------------------------------------------
    "reachable": Check("ok", "connection", "{url} answers in {milliseconds} ms"),
    "embedded": Check("ok", "connection", "the embedded server; nothing goes over the network"),
    "no_such_host": Check(
        "problem",
        "connection",
        "{host} is no known name ({said})",
        "look at the url's spelling, and at your DNS or VPN",
    ),
    "refused": Check(
        "problem",
        "connection",
        "nothing listens at {url}",
        "start OpenMeter, or look at the url's port (OpenMeter's own is 8888)",
    ),
    "tls_failed": Check(
        "problem",
        "connection",
        "no secure connection to {host} ({said})",
        "http where it speaks no TLS; else a certificate for that name, from an authority that SSL_CERT_FILE names",
    ),
    "connect_timeout": Check(
        "problem",
        "connection",
        "{host} takes no connection within {seconds} s",
        "a firewall or VPN stands in between, or the host is down",
    ),
    "answer_timeout": Check(
        "problem",
        "connection",
        "{url} takes the connection and gives no answer within {seconds} s",
        "look at OpenMeter's own log: hanging entitlement writes block its database pool until they are cancelled",
    ),
    "connection_broke": Check(
        "problem", "connection", "the connection to {url} breaks ({said})", "a proxy or another protocol is there"
    ),
    "redirected": Check(
        "problem", "connection", "{url} redirects to {location}", "write that address as the environment's url"
    ),
    "proxy_error": Check(
        "problem",
        "connection",
        "a proxy answers {status} for OpenMeter",
        "see why it does not reach OpenMeter: is that up, is its route right?",
    ),
    "not_openmeter": Check(
        "problem",
        "connection",
        "{url} is no OpenMeter: it answers {kind}, starting with {start}",
        "the url is that of the API, not of a web page or of a log-in in front of it",
    ),
    "skipped": Check(
        "note", "the rest", "{what} was not looked at, since {why}", "mend that, then run bac doctor again"
    ),
    "version": Check(
        "ok",
        "version",
        "OpenMeter tells none; {sign}. bac is written for the one of 2026-08-18 (7e57a394a)",
    ),
    "clock_ok": Check("ok", "clock", "OpenMeter's and this machine's agree, within {seconds} s"),
    "clock_off": Check(
        "warning",
        "clock",
        "this machine is {seconds} s {way} OpenMeter; grants and usage periods start at minutes that bac reckons here",
        "set the clock that is wrong (NTP)",
    ),
    "clock_unknown": Check(
        "note",
        "clock",
        "the answer has no usable Date, so the clocks cannot be compared",
        "see that this machine's is right (NTP)",
    ),
    # -- who we are there ----------------------------------------------------------------------------------------------
    "token_ok": Check("ok", "token", "accepted"),
    "token_none": Check("ok", "token", "none is needed"),
    "open_to_all": Check(
        "note",
        "token",
        "{host} answers without a token, as OpenMeter itself checks none",
        "see that only who may change prices reaches it: a network policy, or a proxy that asks for a token",
    ),
    "token_missing": Check(
        "problem",
        "token",
        "OpenMeter answers 401, and {environment} has no token",
        "token: {{from_env: OPENMETER_API_KEY}} in the environment",
    ),
    "token_refused": Check(
        "problem", "token", "OpenMeter answers 401: the token in {variable} is not valid", "set a valid one"
    ),
    "forbidden": Check(
        "problem", "token", "OpenMeter answers 403 to {paths}", "give the token the right to read these"
    ),
    # -- what it serves ------------------------------------------------------------------------------------------------
    "apis_ok": Check("ok", "API", "{count} lists answer, of {versions}"),
    "api_missing": Check(
        "problem",
        "API",
        "{paths}: 404",
        "bac needs v1, v2 and v3 below the url. An older OpenMeter has no v3, and Kong Konnect serves v3 alone",
    ),
    "api_failed": Check("problem", "API", "{path}: {said}", "look at OpenMeter's own log"),
    "unreadable": Check(
        "problem", "resources", "{said}", "another version of OpenMeter, or a proxy that changes answers?"
    ),
    # -- what lives there ----------------------------------------------------------------------------------------------
    "owners_ok": Check("ok", "owner", "{ours} live resources are yours, by the label {labels}"),
    "other_owner": Check(
        "problem",
        "owner",
        "{other} owns what the catalog declares: {some}",
        "declare them {{external: true}}, or take them over: bac owner --from {other}, and that name under `formerly`",
    ),
    "former_owner_undeclared": Check(
        "warning",
        "owner",
        "the next plan deletes what carries the former owner {other} and is not in the catalog: {some}",
        "declare them; or take {other} off `formerly`, if another catalog still goes by that name",
    ),
    "other_catalogs": Check(
        "note", "owner", "others own some of what lives there: {others}", "nothing to do: none of it is touched"
    ),
    "configured_by_server": Check(
        "note",
        "OpenMeter",
        "bac has not made these {kind} that the catalog declares: {some}. One that stands under `{section}` in "
        "OpenMeter's own configuration and is changed keeps the server from starting again",
        "declare those that stand there {{external: true}}; the API does not tell which",
    ),
    "subject_hook": Check(
        "warning",
        "OpenMeter",
        "customer.enableSubjectHook is or was on: it made or renamed {some}. With it, each write "
        "of a subject overwrites its customer's name and metadata, which then drift",
        "switch it off in OpenMeter's configuration, or declare no `subjects` for these customers",
    ),
    "subject_hook_unseen": Check("ok", "OpenMeter", "nothing shows that customer.enableSubjectHook is on"),
    "labels_hidden": Check(
        "note",
        "OpenMeter",
        "{count} {kind}: v1 lists the first and the last 1,000, and v3 hides metadata of the others that is no label",
        "keep the metadata of meters to labels: up to 63 letters and digits, `.`, `_` or `-` singly between pairs",
    ),
}
