"""The plan: what will be done, as a document.

Canonical JSON, named by its sha256. It holds the target, the changes with every request that they will send, and a
fingerprint of each live resource that it was made from; no clock, no prose, no floats, no secrets. Two runs on the same
inputs make the same bytes. Its intent is the part that a reviewer decides on: addresses, actions and field changes.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from billing_as_code import cascade, diff, document, order
from billing_as_code.collecting import uncollected
from billing_as_code.errors import PlanError, Protected, UsageError
from billing_as_code.impact import Impact
from billing_as_code.impact.document import impact_json, load_impact
from billing_as_code.kinds.base import Context, Kind
from billing_as_code.model import Address, Change, Class, Json, Resource, State, canonical_json, digest

VERSION = 1


@dataclass(frozen=True, slots=True)
class Target:
    """Where a plan belongs: the environment's name, its normalised URL, and the owner on its labels."""

    environment: str
    url: str
    owner: str


class Edit(NamedTuple):
    """What the catalog is to say at an address: the canonical JSON of a resource as YAML would write it, None to take
    it out. `was` is the fingerprint of what it said when the plan was made (see `said`)."""

    address: str
    spec: str | None
    was: str


class Since(NamedTuple):
    """What a plan that is about what changed since a commit was made of: the name that was given for it and its id;
    why all was compared all the same, a code, or ""; the addresses that changed; how many resources were looked at, and
    how many that the catalog declares were not."""

    ref: str
    commit: str
    whole: str = ""
    touched: tuple[str, ...] = ()
    looked_at: int = 0
    unseen: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A plan that is about `roots` alone, with what they depend on and what follows. What is live is known at the
    addresses `looked`; an address elsewhere says nothing."""

    since: Since
    roots: frozenset[Address]
    looked: frozenset[Address]


@dataclass(frozen=True)
class Plan:
    """Ordered changes, bound to the live state that they were made from.

    `base` maps an address to the fingerprint of what was live there ("" where nothing was), for all that the plan
    touches or whose id it uses. `existing` counts the live resources that are ours or declared: what the share of
    changes is a share of. `scope` holds the addresses of `--only`, empty for a whole plan.

    A proposal's plan has the `edits` of the catalog that it was made with, which become part of the catalog's files
    when it is applied, and the digest of the plan that it goes `onto`: one that it holds and takes the place of, or
    one that did the same before. One that is about what changed `since` a commit says so; for such a one `existing`
    takes what it did not look at for live.

    `impact` is whom it hits, where that was asked for. It stands beside the plan, in neither of its digests: usage goes
    on, and what is applied is the same.
    """

    target: Target
    changes: tuple[Change, ...]
    base: Mapping[str, str]
    held: tuple[diff.Held, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    existing: int = 0
    scope: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    onto: str = ""
    impact: Impact | None = None
    since: Since | None = None

    @property
    def cls(self) -> Class:
        """The worst class of its changes."""
        return max((c.cls for c in self.changes), default=Class.SAFE)

    def count(self, *actions: str) -> int:
        return sum(c.action in actions for c in self.changes)

    @cached_property
    def json(self) -> dict[str, Json]:
        """The plan as JSON, which its digest is of."""
        with uncollected():
            return self._document()

    def _document(self) -> dict[str, Json]:
        proposed: dict[str, Json] = {"edits": [e._asdict() for e in self.edits]} if self.edits else {}
        return (
            proposed
            | ({"onto": self.onto} if self.onto else {})
            | ({"since": _since_json(self.since)} if self.since is not None else {})
            | {
                "version": VERSION,
                "target": {"environment": self.target.environment, "url": self.target.url, "owner": self.target.owner},
                "scope": list(self.scope),
                "existing": self.existing,
                "changes": [document.change_json(c) for c in self.changes],
                "held": [
                    {"address": str(h.address), "fields": [document.field_json(f) for f in h.fields]} for h in self.held
                ],
                "skipped": [list(s) for s in self.skipped],
                "base": dict(sorted(self.base.items())),
            }
        )

    @property
    def document(self) -> dict[str, Json]:
        """The plan as JSON with its impact, where it has one; see `schemas/plan.schema.json`."""
        return self.json | ({"impact": impact_json(self.impact)} if self.impact is not None else {})

    @cached_property
    def digest(self) -> str:
        return digest(self.json)

    @cached_property
    def intent(self) -> str:
        """A digest of what a reviewer decides on; it stays the same while ids and fingerprints move."""
        changes = sorted(self._decided, key=lambda c: str(c["address"]))
        return digest({"environment": self.target.environment, "owner": self.target.owner, "changes": changes})

    @property
    def decisions(self) -> dict[str, str]:
        """The same for each change alone, by address: 12 hex digits each, to tell what two intents have apart."""
        return {str(decided["address"]): digest(decided)[:12] for decided in self._decided}

    @property
    def _decided(self) -> list[dict[str, Json]]:
        """The part of each change that a reviewer decides on."""
        return [
            {
                "address": written["address"],
                "action": c.action,
                "fields": written["fields"],
                "made": list(c.after.spec) if c.action == "create" and c.after is not None else None,
            }
            for c, written in zip(self.changes, self.json["changes"], strict=True)
        ]

    def dump(self) -> str:
        """The text that the digest is of: canonical JSON and a newline."""
        return canonical_json(self.json) + "\n"

    def file(self) -> str:
        """The text of a plan file: the same, with the impact."""
        return canonical_json(self.document) + "\n"


# -- making one ------------------------------------------------------------------------------------


def build(
    desired: State,
    live: State,
    kinds: Mapping[str, Kind],
    target: Target,
    rules: diff.Rules,
    context: Context,
    only: Iterable[str] = (),
    *,
    edits: tuple[Edit, ...] = (),
    part: Part | None = None,
) -> Plan:
    """The plan from `live` to `desired`. Raises PlanError, or Protected, with every reason where there is none.

    `edits` are those that `desired` was made with; what they take out of the catalog is deleted within `only` too.
    """
    scope = tuple(only)
    gone = frozenset(Address.parse(e.address) for e in edits if e.spec is None)
    found, context = judged(desired, live, kinds, rules, context, scope, gone, part)
    if found.against:
        raise (PlanError if found.errors else Protected)(sorted(set(found.against)))
    # what mends something that is not whole knows its steps already
    compiled = {a: c if c.steps else kinds[a.kind].compile(c, context) for a, c in found.changes.items()}
    changes = order.link({a: c for a, c in compiled.items() if c.steps or c.action == "delete"}, kinds)
    seen = live.values() if part is None else [r for r in live.values() if r.address in part.looked]
    ours = sum(1 for r in seen if rules.ours(r.owner) or r.address in desired)
    since = part.since if part is not None else None
    ours += since.unseen if since is not None else 0
    skipped = tuple((str(a), code) for a, code in found.skipped)
    base = _base(changes, live, kinds)
    return Plan(target, changes, base, tuple(found.held), skipped, ours, scope, edits, since=since)


def judged(
    desired: State,
    live: State,
    kinds: Mapping[str, Kind],
    rules: diff.Rules,
    context: Context,
    scope: tuple[str, ...] = (),
    gone: Collection[Address] = (),
    part: Part | None = None,
) -> tuple[diff.Comparison, Context]:
    """What changes, without steps, and every reason why it cannot; with a context that knows what changes.

    Within a `scope` nothing is deleted but what is `gone`, and of a `part` what left the catalog.
    """
    if part is None:
        found = diff.compare(desired, live, kinds, rules, context)
    else:
        wanted, there = ({a: s[a] for a in part.looked if a in s} for s in (desired, live))
        found = diff.compare(wanted, there, kinds, rules, context)
    cascade.follow(found, desired, live, kinds, rules)
    if part is not None:
        _narrow(found, part.roots, desired, kinds, part.roots - desired.keys())
    elif scope:
        _narrow(found, _meant(scope, desired, gone), desired, kinds, gone)
    actions = {a: c.action for a, c in found.changes.items()}
    context = replace(context, actions=actions)
    for address, change in found.changes.items():
        found.errors += [(str(address), why) for why in kinds[address.kind].refuse(change, context)]
        if _protected(change, kinds[address.kind]) and str(address) not in dict(found.protected):
            text = f"is protected (protect: true), and the plan would {change.action} it"
            found.protected.append((str(address), text))
    for name in sorted({a.kind for a in found.changes}):
        own = {a: c for a, c in found.changes.items() if a.kind == name}
        found.errors += [(str(a), why) for a, why in kinds[name].refuse_all(own, context)]
    return found, context


def _protected(change: Change, kind: Kind) -> bool:
    """Whether `protect` forbids a change. It comes off by a change of its own; where labels are fixed, by a replace."""
    was, is_ = (r is not None and r.protect for r in (change.before, change.after))
    if change.action == "replace":
        return is_ or (was and not kind.labels_fixed)
    return change.action == "delete" and was


def _meant(scope: tuple[str, ...], desired: State, gone: Collection[Address]) -> list[Address]:
    """The addresses within a scope. Raises UsageError where there are none."""
    found: dict[Address, str] = {}
    for address in (*desired, *gone):
        name = str(address)
        for wanted in scope:
            if within(name, wanted):
                found[address] = name
    unknown = [s for s in scope if not any(within(name, s) for name in found.values())]
    if unknown:
        raise UsageError("; ".join(f"--only {s}: the catalog has no such address" for s in unknown))
    return list(found)


def _narrow(
    found: diff.Comparison,
    roots: Collection[Address],
    desired: State,
    kinds: Mapping[str, Kind],
    gone: Collection[Address],
) -> None:
    """Keep the roots, what they depend on, and what must be replaced with that. Nothing is pruned but what is
    `gone`."""
    wanted = depended_on(roots, desired, kinds)
    grown = True
    while grown:
        following = {
            a
            for a, c in found.changes.items()
            if a not in wanted and any(r.startswith("follows:") and Address.parse(r[8:]) in wanted for r in c.reasons)
        }
        wanted |= following
        grown = bool(following)
    found.changes = {a: c for a, c in found.changes.items() if a in wanted and (c.action != "delete" or a in gone)}
    found.errors = [(a, t) for a, t in found.errors if not a or Address.parse(a) in wanted]
    found.protected = [(a, t) for a, t in found.protected if Address.parse(a) in wanted]
    found.held = [h for h in found.held if h.address in wanted]
    found.skipped = [(a, code) for a, code in found.skipped if a in wanted]


def depended_on(roots: Iterable[Address], desired: State, kinds: Mapping[str, Kind]) -> set[Address]:
    """The roots and all that they refer to, directly or not."""
    wanted = set(roots)
    queue = list(wanted)
    while queue:
        resource = desired.get(queue.pop())
        for target, _ in cascade.references(resource, kinds) if resource is not None else ():
            if target not in wanted:
                wanted.add(target)
                queue.append(target)
    return wanted


def within(address: str, scope: str) -> bool:
    """Whether an address is meant by `--only`: it, or what it stands below."""
    return address == scope or address.startswith(scope + ".")


def unwritten(plan: Plan, kinds: Mapping[str, Kind]) -> list[str]:
    """The addresses of a plan's edits that no catalog of these kinds can hold, or that take out what none declares."""
    return [e.address for e in plan.edits if Address.parse(e.address).kind not in kinds or not (e.spec or e.was)]


# -- files -----------------------------------------------------------------------------------------


def load(text: str) -> Plan:
    """A plan from the text of its file; UsageError where it is none, or was changed by hand into something else."""
    try:
        data = jsonlib.loads(text)
        if data["version"] != VERSION:
            raise UsageError(f"the plan has version {data['version']}, this bac reads {VERSION}. Plan again")
        plan = _load(data)
        if canonical_json(plan.document) != canonical_json(data):
            raise ValueError("it holds what no plan has")
        return plan
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UsageError("this is no plan file of bac (bac plan --out FILE makes one)") from error


def _load(data: Mapping[str, Any]) -> Plan:
    return Plan(
        Target(**data["target"]),
        tuple(document.load_change(c) for c in data["changes"]),
        data["base"],
        tuple(
            diff.Held(Address.parse(h["address"]), tuple(document.load_field(f) for f in h["fields"]))
            for h in data["held"]
        ),
        tuple((a, code) for a, code in data["skipped"]),
        data["existing"],
        tuple(data["scope"]),
        tuple(Edit(**e) for e in data.get("edits", [])),
        data.get("onto", ""),
        load_impact(data["impact"]) if "impact" in data else None,
        _load_since(data["since"]) if "since" in data else None,
    )


def _since_json(since: Since) -> dict[str, Json]:
    return since._asdict() | {"touched": list(since.touched)}


def _load_since(data: Mapping[str, Any]) -> Since:
    return Since(**{**data, "touched": tuple(data["touched"])})


# -- fingerprints ----------------------------------------------------------------------------------


def fingerprint(resource: Resource | None) -> str:
    """What must be the same again at apply: spec, id, labels and the identities of its parts; no time, no balance."""
    if resource is None:
        return ""
    parts = sorted(p["id"] for p in resource.parts if not p.get("deletedAt") and not p.get("voidedAt"))
    return digest([list(resource.spec), resource.id, resource.owner, resource.protect, parts])


def said(resource: Resource | None) -> str:
    """A fingerprint of what the catalog says of a resource, "" where it says nothing."""
    return digest([list(resource.spec), resource.protect, resource.external]) if resource is not None else ""


def _base(changes: tuple[Change, ...], live: State, kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Fingerprints of what changes, and the ids of live resources that a change refers to."""
    base: dict[str, str] = {}
    touched = {c.address for c in changes}
    for change in changes:
        have = live.get(change.address)
        counted = have if have is not None and kinds[change.address.kind].counts(have) else None
        base[str(change.address)] = fingerprint(counted)
        for resource in (change.before, change.after):
            for target, _ in cascade.references(resource, kinds) if resource is not None else ():
                if target not in touched and target in live:
                    base[str(target)] = "id:" + (live[target].id or "")
    return base


def stale(plan: Plan, live: State, kinds: Mapping[str, Kind]) -> list[tuple[str, str]]:
    """What differs in `live` from what the plan was made from: (address, how)."""
    before = {str(c.address): c.before for c in plan.changes}
    out: list[tuple[str, str]] = []
    for name, expected in plan.base.items():
        address = Address.parse(name)
        have = live.get(address)
        if have is not None and not kinds[address.kind].counts(have):
            have = None
        now = "id:" + ((have.id or "") if have is not None else "") if expected.startswith("id:") else fingerprint(have)
        if now != expected:
            out.append((name, _how(before.get(name), have, kinds[address.kind])))
    return out


def _how(before: Resource | None, now: Resource | None, kind: Kind) -> str:
    if now is None:
        return "is gone"
    if before is None:
        return "has appeared, or is another one now"
    fields = [f.name for f, b, n in zip(kind.fields, before.spec, now.spec, strict=True) if _plain(b) != _plain(n)]
    if fields:
        return "changed: " + ", ".join(fields)
    return "is another one of the same name now" if before.id != now.id else "its owner or its grants changed"


def _plain(value: Any) -> Any:
    """A canonical value as it comes back from a plan file, where tuples are lists."""
    return jsonlib.loads(canonical_json(value))
