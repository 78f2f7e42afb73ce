"""From `bac.yaml` to a `Config`, or to everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from billing_as_code.catalog.files import content, label
from billing_as_code.catalog.spelling import Spelling
from billing_as_code.config.policy import RULES, TOOLS, AgentPolicy, Rule
from billing_as_code.config.settings import FILE, Config, Environment, Limits
from billing_as_code.config.urls import normalised
from billing_as_code.errors import CatalogError, Problem, UsageError
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.fragments import unsafe_label
from billing_as_code.model import Place
from billing_as_code.reader import Block, Items, describe, read, shown

SECTIONS = ("catalog", "owner", "formerly", "environments", "limits", "ignore", "exclusive", "secrets")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?) ?%")


def load(start: Path) -> Config:
    """The configuration that holds for a folder, or of the file itself: `bac.yaml` there or nearest above.

    UsageError where there is none, CatalogError with every problem where it is wrong.
    """
    path = start if start.is_file() else _find(start)
    name = label(path)
    data = content(path)
    if isinstance(data, Problem):
        raise CatalogError([data])
    root, problems = read(name, data)
    if root is None and not problems:
        problems = [Problem(name, 0, 0, "", "is empty", "owner: my-team")]
    config = _config(path, _Map(root, "", problems)) if root is not None else None
    if problems or config is None:
        raise CatalogError(sorted(problems, key=lambda p: (p.line, p.column, p.message)))
    return config


def _find(start: Path) -> Path:
    folder = start.absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file():
            return candidate / FILE
    raise UsageError(f"no {FILE} in {folder} or above it. `bac init` makes one")


class _Map:
    """A map of the file that is taken apart; what is wrong with it goes to `problems`, and a default stands in."""

    def __init__(self, block: Block, address: str, problems: list[Problem]) -> None:
        self.block, self.address, self.problems = block, address, problems

    def wrong(self, place: Place, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(*place, self.address, message, remedy))

    def wrong_value(self, name: str, message: str, remedy: str = "") -> None:
        self.wrong(self.block.value_place(name), f"`{name}` {message}", remedy)

    def only(self, *known: str) -> None:
        for name, _, place, _ in self.block.entries():
            if name not in known:
                remedy = Spelling(known).remedy(name) or f"known here: {', '.join(known)}"
                self.wrong(place, f"unknown field `{shown(name)}`", remedy)

    def value(self, name: str, default: Any, wanted: str, fits: Callable[[Any], bool], example: str) -> Any:
        """The value of a field, the default where it is left out, null or wrong."""
        value = self.block.get(name)
        if value is None:
            return default
        if fits(value):
            return value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        self.wrong_value(name, f"is {value if number else describe(value)}, and must be {wanted}", example)
        return default

    def text(self, name: str, default: str, example: str) -> str:
        found: str = self.value(name, default, "text", lambda v: isinstance(v, str) and v != "", example)
        return found

    def count(self, name: str, default: int, least: int, most: int) -> int:
        def fits(value: Any) -> bool:
            return type(value) is int and least <= value <= most

        number: int = self.value(name, default, f"a whole number from {least} to {most}", fits, f"{name}: {default}")
        return number

    def map(self, name: str, example: str) -> _Map | None:
        """A map below this one, None where there is none."""
        block = self.value(name, None, "a map", lambda v: isinstance(v, Block), example)
        inside = f"{self.address}.{name}" if self.address else name
        return _Map(block, inside, self.problems) if block is not None else None

    def texts(self, name: str, example: str) -> Iterator[tuple[str, Place]]:
        items = self.value(name, None, "a list of texts", lambda v: isinstance(v, Items), example)
        for i, item in enumerate(items or ()):
            if isinstance(item, str) and item:
                yield item, items.item_place(i)
            else:
                self.wrong(items.item_place(i), f"`{name}[{i}]` is {describe(item)}, and must be text", example)


def _config(path: Path, top: _Map) -> Config:
    top.only(*SECTIONS)
    owner = _owner(top)
    return Config(
        root=path.parent.absolute(),
        catalog=path.parent.absolute() / top.text("catalog", "catalog", "catalog: catalog"),
        owner=owner,
        environments=_environments(top),
        limits=_limits(top),
        ignore=_ignore(top),
        exclusive=_exclusive(top),
        secrets=_secrets(top),
        formerly=_formerly(top, owner),
    )


def _owner(top: _Map) -> str:
    if top.block.get("owner") is None:
        message, remedy = "`owner` is missing", "the name written on what bac creates, such as owner: acme-billing"
        place = top.block.key_place("owner") if "owner" in top.block else top.block.place
        top.wrong(place, message, remedy)
        return ""
    owner = top.text("owner", "", "owner: acme-billing")
    if owner and unsafe_label("owner", owner):
        remedy = "up to 63 letters and digits, single `.`, `_` or `-` between pairs of them"
        top.wrong_value("owner", f"{shown(owner)!r} cannot be written on a feature", remedy)
    return owner


def _formerly(top: _Map, owner: str) -> frozenset[str]:
    found = []
    for name, place in top.texts("formerly", "formerly: [old-name]"):
        if name == owner:
            top.wrong(place, f"`formerly` names `{shown(name)}`, which is the owner now", "leave it out")
        found.append(name)
    return frozenset(found)


# -- environments ---------------------------------------------------------------------------------------------------


def _environments(top: _Map) -> dict[str, Environment]:
    every = top.map("environments", "environments: {local: {}}")
    found: dict[str, Environment] = {}
    for name, value, key_place, value_place in every.block.entries() if every is not None else ():
        assert every is not None
        if not _ENVIRONMENT.fullmatch(name):
            every.wrong(
                key_place,
                f"`{shown(name)}` is no name of an environment",
                "letters and digits, `-` and `_` in between",
            )
        elif value is None:
            found[name] = Environment(name)
        elif isinstance(value, Block):
            found[name] = _environment(name, _Map(value, f"environments.{name}", top.problems))
        else:
            message = f"`{name}` is {describe(value)}, and must be a map"
            every.wrong(value_place, message, f"{name}: {{url: https://openmeter.example.com}}")
    return found or {"local": Environment("local")}


def _environment(name: str, raw: _Map) -> Environment:
    raw.only(
        "url",
        "token",
        "require_approval",
        "approvals",
        "self_approval",
        "propose",
        "reads",
        "writes",
        "timeout",
        "agents",
    )
    usual = Environment(name)
    writes = raw.map("writes", "writes: {wide: 8, narrow: 2}")
    if writes is not None:
        writes.only("wide", "narrow")
    url = _url(raw)
    token = _token(raw)
    if token is not None and "url" not in raw.block:
        raw.wrong(raw.block.key_place("token"), "`token` without a `url`", "the embedded server takes no token")
    return Environment(
        name=name,
        url=url,
        token_env=token,
        require_approval=raw.value(
            "require_approval", False, "true or false", lambda v: isinstance(v, bool), "require_approval: true"
        ),
        approvals=raw.count("approvals", usual.approvals, 1, 20),
        self_approval=raw.value(
            "self_approval", True, "true or false", lambda v: isinstance(v, bool), "self_approval: false"
        ),
        propose=raw.value("propose", usual.propose, "git or here", lambda v: v in ("git", "here"), "propose: git"),
        reads=raw.count("reads", usual.reads, 1, 64),
        wide=writes.count("wide", usual.wide, 1, 64) if writes is not None else usual.wide,
        narrow=writes.count("narrow", usual.narrow, 1, 64) if writes is not None else usual.narrow,
        timeout=float(
            raw.value("timeout", usual.timeout, "seconds from 1 to 3600", _is_seconds, f"timeout: {usual.timeout:g}")
        ),
        agents=_agents(raw),
    )


def _agents(raw: _Map) -> AgentPolicy:
    """What agents may do. A tool that is not known is an error: a misspelt `off` must not leave one on."""
    agents = raw.map("agents", "agents: {tools: {ingest_event: off}}")
    if agents is None:
        return AgentPolicy()
    agents.only("read_only", "confirm", "tools")
    read_only = agents.value("read_only", False, "true or false", lambda v: isinstance(v, bool), "read_only: true")
    confirm = agents.value("confirm", True, "true or false", lambda v: isinstance(v, bool), "confirm: false")
    tools = agents.map("tools", "tools: {ingest_event: off}")
    if tools is None:
        return AgentPolicy(read_only, confirm=confirm)
    tools.only(*TOOLS)
    rules: dict[str, Rule] = {}
    for name, sort in TOOLS.items():
        known = RULES[sort]
        # `off` is false to who writes YAML of the old kind by a program, and means the same
        rule = tools.value(name, None, " or ".join(known), (*known, False).__contains__, f"{name}: {known[-1]}")
        if rule is not None:
            rules[name] = rule or "off"
    return AgentPolicy(read_only, rules, confirm)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 3600


def _url(raw: _Map) -> str | None:
    example = "url: https://openmeter.example.com"
    if "url" in raw.block and raw.block["url"] is None:
        raw.wrong_value("url", "is empty", f"{example}, or leave it out for the embedded server")
    text = raw.text("url", "", example)
    if not text:
        return None
    try:
        return normalised(text)
    except ValueError as error:
        # the URL itself is not repeated: it may hold a password
        raw.wrong_value("url", str(error), example)
        return None


def _token(raw: _Map) -> str | None:
    example = "token: {from_env: OPENMETER_API_KEY}"
    if isinstance(raw.block.get("token"), str):
        raw.wrong_value("token", "is written out, and a secret never stands in a file", example)
        return None
    token = raw.map("token", example)
    if token is None:
        return None
    token.only("from_env")
    if token.block.get("from_env") is None:
        raw.wrong_value("token", "names no environment variable", example)
        return None
    return _variable(token, "from_env", example)


def _variable(raw: _Map, name: str, example: str) -> str | None:
    variable = raw.text(name, "", example)
    if not variable or _VARIABLE.fullmatch(variable):
        return variable or None
    # not repeated: it may be the secret itself
    raw.wrong_value(name, "is no name of an environment variable", example)
    return None


# -- the rest -------------------------------------------------------------------------------------------------------


def _limits(top: _Map) -> Limits:
    raw, usual = top.map("limits", "limits: {deletes: 5, changed_share: 30%}"), Limits()
    if raw is None:
        return usual
    raw.only("deletes", "changed_share")

    def is_share(value: Any) -> bool:
        match = _SHARE.fullmatch(value) if isinstance(value, str) else None
        return match is not None and Decimal(match[1]) <= 100

    share = raw.value("changed_share", "30%", "a percentage", is_share, "changed_share: 30%")
    percent = Decimal(share.rstrip(" %"))
    return Limits(raw.count("deletes", usual.deletes, 0, 1_000_000), percent)


def _ignore(top: _Map) -> tuple[str, ...]:
    """Patterns of addresses with a field; the first word is a section or `*`."""
    example, found = 'ignore: ["customers.*.metadata.crm_*"]', []
    for pattern, place in top.texts("ignore", example):
        section, *rest = pattern.split(".")
        if section != "*" and section not in KINDS:
            remedy = Spelling(KINDS).remedy(section) or f"one of {', '.join(KINDS)}"
            top.wrong(place, f"`ignore` names an unknown section `{shown(section)}`", remedy)
        elif len(rest) < 2:
            top.wrong(place, f"`{shown(pattern)}` names no field of a resource", example)
        found.append(pattern)
    return tuple(found)


def _exclusive(top: _Map) -> frozenset[str]:
    found = []
    for name, place in top.texts("exclusive", "exclusive: [features]"):
        if name not in KINDS:
            remedy = Spelling(KINDS).remedy(name) or f"one of {', '.join(KINDS)}"
            top.wrong(place, f"`exclusive` names an unknown section `{shown(name)}`", remedy)
        found.append(name)
    return frozenset(found)


def _secrets(top: _Map) -> tuple[str, ...]:
    found = []
    for name, place in top.texts("secrets", "secrets: [WEBHOOK_SECRET]"):
        if not _VARIABLE.fullmatch(name):
            top.wrong(place, "`secrets` lists names of environment variables", "secrets: [WEBHOOK_SECRET]")
        found.append(name)
    return tuple(found)
