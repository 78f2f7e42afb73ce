"""What OpenMeter takes and then does not count: seen while events pass, told when they have passed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from billing_as_code.catalog.spelling import Spelling
from billing_as_code.ingest.events import Event, Warned

_PLAIN_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*)+", re.ASCII)
_MOST = 10_000
"""Names that are remembered, since events may have any number of them."""
_LONGEST = 200
_TOLD = 10


class Counted(NamedTuple):
    """A meter: the event type that it counts, how, and the JSONPath of the value (None for a count)."""

    meter: str
    event_type: str
    aggregation: str
    path: str | None


class _Value(NamedTuple):
    meter: Counted
    steps: tuple[str, ...]


class Watch:
    """Looks at events on their way. `meters` is None where they could not be read: then only subjects are noted."""

    def __init__(self, meters: Iterable[Counted] | None) -> None:
        self._values: dict[str, list[_Value]] | None = None if meters is None else {}
        for meter in meters or ():
            values = self._values.setdefault(meter.event_type, []) if self._values is not None else []
            # a path of another form is left to OpenMeter, which reads more than we understand
            if meter.path is not None and _PLAIN_PATH.fullmatch(meter.path):
                values.append(_Value(meter, tuple(meter.path.split(".")[1:])))
        self.subjects: dict[str, int] = {}
        self._types: dict[str, int] = {}
        self._ignored: dict[str, int] = {}
        self._missing: dict[tuple[Counted, str], tuple[int, int]] = {}

    def see(self, event: Event) -> None:
        """Take note of an event."""
        _count(self.subjects, event.subject)
        for name in event.ignored:
            _count(self._ignored, name)
        if self._values is None:
            return
        values = self._values.get(event.type)
        if values is None:
            _count(self._types, event.type)
            return
        for value in values:
            if problem := _problem(value, event.data):
                first, number = self._missing.get((value.meter, problem), (event.line, 0))
                self._missing[value.meter, problem] = (first, number + 1)

    def warnings(self, known: Collection[str] | None) -> Iterator[Warned]:
        """What is to be told. `known` are keys and subjects of all customers, None where that is not known."""
        types = Spelling(self._values or {})
        yield from _told(self._types, lambda names: f"no meter counts {names}", types.remedy)
        for (meter, problem), (line, events) in self._missing.items():
            at = f", first on line {line:,}" if line else ""
            yield Warned(f"meter {meter.meter} cannot count `{meter.event_type}`: {meter.path} {problem}{at}", events)
        if known is not None:
            customers = Spelling(known)
            strange = {subject: events for subject, events in self.subjects.items() if subject not in known}
            yield from _told(strange, lambda names: f"no customer has the subject {names}", customers.remedy)
        yield from _told(
            self._ignored,
            lambda names: f"OpenMeter does not look at {names} beside data",
            lambda name: f"data.{name} would be looked at",
        )


def _told(counts: Mapping[str, int], message: Callable[[str], str], remedy: Callable[[str], str]) -> Iterator[Warned]:
    """A warning for each of the names that most events have, and one for all the others."""
    names = sorted(counts, key=lambda name: -counts[name])
    for name in names[:_TOLD]:
        yield Warned(message(f"`{name}`"), counts[name], remedy(name))
    if others := names[_TOLD:]:
        yield Warned(message(f"... and {len(others):,} others"), sum(counts[name] for name in others))


def _count(counts: dict[str, int], name: str) -> None:
    if len(name) > _LONGEST:
        name = name[:_LONGEST] + "..."
    if name in counts:
        counts[name] += 1
    elif len(counts) < _MOST:
        counts[name] = 1


def _problem(value: _Value, data: dict[str, Any] | None) -> str:
    """Why OpenMeter finds no number there (openmeter/meter/parse.go), "" where it does."""
    found: Any = data
    for step in value.steps:
        if not isinstance(found, dict) or step not in found:
            return "is missing"
        found = found[step]
    if found is None:
        return "is null"
    if value.meter.aggregation == "unique_count" or (isinstance(found, int | float) and not isinstance(found, bool)):
        return ""
    if not isinstance(found, str):
        return "is no number"
    try:
        number = float(found)
    except ValueError:
        return "is no number"
    return "" if number - number == 0 else "is no number"
