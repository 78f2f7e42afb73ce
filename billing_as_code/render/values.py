"""Values as people read them: separators in numbers, lists and maps as YAML writes them, long texts cut."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from billing_as_code.kinds import EVERY
from billing_as_code.kinds.base import Field
from billing_as_code.kinds.fragments import AMOUNT
from billing_as_code.model import Ref, Value
from billing_as_code.render.lines import visible

LONGEST = 120
MOST_ITEMS = 6
NOT_SET = "not set"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_PLAIN_WORDS = frozenset(("true", "false", "null", "none", "~", ""))


def field_of(kind: str, path: str) -> Field | None:
    """The row of a kind's table that a changed path belongs to: itself, or the one whose map it is in."""
    if kind not in EVERY:
        return None
    rows = EVERY[kind].index
    name = path
    while name not in rows and "." in name:
        name = name.rpartition(".")[0]
    return EVERY[kind].fields[rows[name]] if name in rows else None


def field_value(kind: str, path: str, value: Value) -> str:
    """The value of a resource's field, or of an entry in it."""
    row = field_of(kind, path)
    if row is None or value is None:
        return shown(value)
    amount = row.schema is AMOUNT or path.rpartition(".")[2] == "amount"
    if amount and isinstance(value, str | int) and _NUMBER.fullmatch(str(value)):
        return number(value) + (f" {row.currency}" if row.currency else "")
    if row.currency and isinstance(value, Mapping):
        money = {k: field_value(kind, f"{path}.{k}", v) for k, v in value.items() if k == "amount"}
        parts = (f"{text(str(k), inside=True)}: {money.get(k) or shown(v, inside=True)}" for k, v in value.items())
        return "{" + _some(parts) + "}"
    if row.opaque and isinstance(value, str) and path == row.name:
        try:
            return shown(json.loads(value))
        except ValueError:
            return shown(value)
    return shown(value)


def number(value: int | str) -> str:
    """With thousands separators: 1,000,000 and 1,234.5."""
    whole, dot, fraction = str(value).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    # not through int(): amounts may be longer than Python converts
    head = len(digits) % 3
    groups = [digits[:head]] * bool(head) + [digits[i : i + 3] for i in range(head, len(digits), 3)]
    return sign + ",".join(groups) + dot + fraction


def counted(amount: int, noun: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number(amount)} {noun}" + ("" if amount == 1 else "s")


def shown(value: Value, *, inside: bool = False) -> str:
    """One line for any value. `inside` another one, texts are quoted where a comma or a bracket would mislead."""
    match value:
        case None:
            return "null" if inside else NOT_SET
        case bool():
            return "true" if value else "false"
        case int():
            return number(value)
        case Ref():
            return str(value)
        case float():
            return repr(value)
        case str():
            return text(value, inside=inside)
        case Mapping():
            return "{" + _some(f"{text(str(k), inside=True)}: {shown(v, inside=True)}" for k, v in value.items()) + "}"
        case Sequence():
            return "[" + _some(shown(v, inside=True) for v in value) + "]"
    return text(str(value), inside=inside)


def _some(parts: Any) -> str:
    items = list(parts)
    more = len(items) - MOST_ITEMS
    return ", ".join(items[:MOST_ITEMS]) + (f", and {number(more)} more" if more > 0 else "")


def text(value: str, *, inside: bool = False) -> str:
    """A text: as it is where it cannot be mistaken for something else, in quotes otherwise; long ones cut."""
    cut = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    odd = value.lower() in _PLAIN_WORDS or value != value.strip() or _NUMBER.fullmatch(value) or value == NOT_SET
    if inside:
        odd = odd or any(c in value for c in ',:[]{}"')
    cut = visible(cut)
    quoted = '"' + cut.replace('"', '\\"') + '"' if odd else cut
    return quoted if len(value) <= LONGEST else f"{quoted} ({number(len(value))} characters)"


def change(kind: str, path: str, before: Value, after: Value) -> tuple[str, str]:
    """Both sides of a field's change; of long lists only what comes and goes."""
    lists = isinstance(before, list | tuple) and isinstance(after, list | tuple)
    if lists and len(before) + len(after) > MOST_ITEMS:
        gone = [v for v in before if v not in _Members(after)]
        come = [v for v in after if v not in _Members(before)]
        sides = f"{number(len(before))} entries", f"{number(len(after))} entries"
        told = [f"{sign}{shown(v)}" for sign, some in (("-", gone), ("+", come)) for v in (some,) if some]
        return sides[0], sides[1] + (f" ({', '.join(told)})" if told else " (in another order)")
    old, new = field_value(kind, path, before), field_value(kind, path, after)
    return _apart(old, new, before, after)


def share(kind: str, path: str, before: Value, after: Value) -> str:
    """How much a number goes up or down, `+50%`, `-12.5%`; "" where there are no two numbers to compare."""
    sides = [_decimal(v) for v in (before, after)]
    if None in sides or not sides[0] or sides[0] == sides[1] or field_of(kind, path) is None:
        return ""
    old, new = (s for s in sides if s is not None)
    try:
        moved = (new - old) / abs(old) * 100
        rounded = moved.quantize(Decimal(1) if abs(moved) >= 10 else Decimal("0.1"))
    except InvalidOperation:  # more digits than are worth telling
        return ""
    sign = "+" if rounded > 0 else ""
    return f"{sign}{number(format(rounded, 'f').removesuffix('.0'))}%" if rounded else ""


def _decimal(value: Value) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return Decimal(value) if isinstance(value, int) or _NUMBER.fullmatch(value) else None


class _Members:
    """Membership of values that may not be hashable."""

    def __init__(self, values: Sequence[Value]) -> None:
        self.known = {json.dumps(v, sort_keys=True, default=str) for v in values}

    def __contains__(self, value: object) -> bool:
        return json.dumps(value, sort_keys=True, default=str) in self.known


def _apart(old: str, new: str, before: Value, after: Value) -> tuple[str, str]:
    """Two texts that are cut to the same are shown from where they part."""
    if old != new or not (isinstance(before, str) and isinstance(after, str)):
        return old, new
    same = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, same - 20)
    return "…" + text(before[start : start + 80]), "…" + text(after[start : start + 80])
