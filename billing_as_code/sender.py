"""Sending the steps of one change: references are resolved, lost answers looked up, and each request journalled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import count
from typing import Any, Protocol

from billing_as_code.client import MISREAD, OpenMeter, join
from billing_as_code.errors import ApiError, BacError
from billing_as_code.journal import Journal
from billing_as_code.kinds.base import Absent, Kind, Known
from billing_as_code.model import (
    NO_FACTS,
    Address,
    Change,
    Find,
    Json,
    Lane,
    Ref,
    Resource,
    State,
    Step,
    canonical_json,
)
from billing_as_code.order import MAIN, PREPARE, node_name
from billing_as_code.plan import Plan

TRIES = 3
"""How often a write is sent that gets no answer; once more for each time that the lanes became narrower meanwhile."""
GONE = (404, 410, 412)


class Stale(BacError):
    """A resource is no longer what the plan saw, found just before its write. Nothing was written to it."""


class Turns(Protocol):
    """The lanes that writes are sent in, and how often they became narrower."""

    halved: int

    def turn(self, lane: Lane) -> AbstractContextManager[None]: ...


class Sender:
    """Runs the nodes of one plan, from many threads; each change is in one thread at a time."""

    def __init__(
        self,
        plan: Plan,
        client: OpenMeter,
        kinds: Mapping[str, Kind],
        live: State,
        journal: Journal,
        lanes: Turns,
        now: Callable[[], datetime],
    ) -> None:
        self.plan, self.client, self.kinds, self.live, self.journal = plan, client, kinds, live, journal
        self.lanes, self.now = lanes, now
        self.ids = {str(a): r.id for a, r in live.items() if r.id is not None}
        self.answers: dict[str, Mapping[str, Json]] = {}
        self.readings: dict[str, dict[str, Json]] = {a: dict(r) for a, r in journal.readings.items()}
        self.names: dict[str, tuple[str, ...]] = {r.id: a.path for a, r in live.items() if r.id is not None}
        for change in plan.changes:
            self._remember(change)

    def _remember(self, change: Change) -> None:
        """Take up the answers that a run which died had already got."""
        for phase, steps in ((PREPARE, change.prepare), (MAIN, change.steps)):
            for n, step in enumerate(steps):
                answer = self.journal.done.get((node_name((change.address, phase)), n))
                if answer is not None and step.saves:
                    self._save(step, answer)

    def run(self, change: Change, phase: str) -> None:
        """All steps of a node, in order. Raises ApiError or Stale where one cannot be done."""
        try:
            self._run(change, phase)
        except MISREAD as error:
            text = f"OpenMeter's answer cannot be understood ({type(error).__name__}: {error})"
            raise ApiError(str(change.address), 0, text) from error

    def _run(self, change: Change, phase: str) -> None:
        name = node_name((change.address, phase))
        steps = change.prepare if phase == PREPARE else change.steps
        pending = [n for n in range(len(steps)) if (name, n) not in self.journal.done]
        if not pending:
            return
        if change.reads and str(change.address) not in self.readings and not self._read(change):
            return
        for n in pending:
            self._step(change, name, n, steps[n])

    # -- reading just before writing ---------------------------------------------------------------

    def _read(self, change: Change) -> bool:
        """Make the change's reads, and see that its resource is what the plan saw; False where it is gone already."""
        address = str(change.address)
        found: dict[str, Json] = {"at": self.now().isoformat(), "id": self.ids.get(address)}
        self.readings[address] = found
        for read in change.reads:
            try:
                answer = self.client.get(self._path(read.path), self._pairs(read.query))
            except ApiError as error:
                if error.status in GONE and change.action == "delete":
                    return False
                if error.status in GONE:
                    raise Stale(f"{address} is gone, plan again") from error
                raise
            if read.name == "now":
                if _deleted(answer):
                    if change.action == "delete":
                        return False
                    raise Stale(f"{address} is gone, plan again")
                self._check_same(change, answer)
            found[read.name] = answer
        self.journal.read(address, found)
        return True

    def _check_same(self, change: Change, answer: Mapping[str, Any]) -> None:
        kind, before = self.kinds[change.address.kind], change.before
        if before is None:
            return
        now = kind.live(dict(answer), self.names)
        if now is None or now.id != before.id:
            raise Stale(f"{change.address} is another one of the same name now, plan again")
        changed = [
            row.name
            for row, was, is_ in zip(kind.fields, before.spec, now.spec, strict=True)
            if not row.held and canonical_json(was) != canonical_json(is_)
        ]
        if changed:
            raise Stale(f"{change.address} was changed since the plan was made ({', '.join(changed)}), plan again")

    # -- one step ----------------------------------------------------------------------------------

    def _step(self, change: Change, name: str, n: int, step: Step) -> None:
        if step.when is not None and not self._resolve(step.when):
            return
        doubtful = (name, n) in self.journal.doubtful
        self.journal.before(name, n)
        try:
            answer = self._sent(change, step, doubtful=doubtful)
        except ApiError as error:
            self._rescue(change, step, error)
            raise
        kept = answer[0] if isinstance(answer, list) and answer else answer
        if isinstance(kept, Mapping) and _deleted(kept):
            raise ApiError(f"{step.method} {self._path(step.path)}", 200, f"{change.address} was deleted meanwhile")
        if step.saves and isinstance(kept, Mapping):
            self._save(step, kept)
        self.journal.after(name, n, kept if step.saves else None)

    def _sent(self, change: Change, step: Step, *, doubtful: bool) -> Json:
        """The answer of a step, sent again and looked up as long as it is not clear what became of it."""
        if doubtful and (found := self._find(step)) is not None:
            return found
        wide = self.lanes.halved
        for attempt in count(1):
            try:
                return self._write(step)
            except ApiError as error:
                if (step.gone and error.status in GONE) or (step.done and step.done in error.detail):
                    return None
                if error.status == 409 and step.find is not None:
                    return self._conflicting(change, step, error)
                if not error.ambiguous:
                    raise
                if (found := self._find(step)) is not None:
                    return found
                if attempt >= TRIES + self.lanes.halved - wide:
                    raise
                self.client.sleep(0.2 * 2 ** min(attempt, TRIES))
        raise AssertionError("the last try returns or raises")

    def _write(self, step: Step) -> Json:
        """Send a step once, in its turn."""
        path, query, body = self._path(step.path), self._pairs(step.query), self._resolved(step.body)
        with self.lanes.turn(step.lane):
            return self.client.write(step.method, path, query, body)

    def _find(self, step: Step) -> Json:
        """What a lost write has made, or None."""
        if step.find is None:
            return None
        find: Find = step.find
        try:
            answer = self.client.get(self._path(find.path), self._pairs(find.query))
        except ApiError as error:
            if error.status in GONE:
                return None
            raise
        candidates = [answer] if find.items is None else _dig(answer, find.items) or []
        wanted = [(path, self._resolved(value)) for path, value in find.where]
        return next((c for c in candidates if not _deleted(c) and all(_matches(c, p, v) for p, v in wanted)), None)

    def _conflicting(self, change: Change, step: Step, error: ApiError) -> Json:
        """After a 409 on a create: ours, if an earlier try of it landed; anything else appeared since the plan."""
        found = self._find(step)
        if found is None or change.after is None:
            raise error
        kind = self.kinds[change.address.kind]
        now = kind.live(dict(found), self.names)
        mine = now is not None and now.owner == self.plan.target.owner
        hidden = now is not None and now.owner is None and not kind.metadata(found) and kind.hides_labels(now.spec)
        if now is not None and (mine or hidden) and self._same_as_wanted(kind, change.after, now):
            return found
        raise Stale(f"{change.address} has appeared since the plan was made, plan again ({error.detail})") from error

    def _same_as_wanted(self, kind: Kind, after: Resource, now: Resource) -> bool:
        return all(
            row.held or wanted is None or canonical_json(wanted) == canonical_json(is_)
            for row, wanted, is_ in zip(kind.fields, after.spec, now.spec, strict=True)
            if row.absent is not Absent.CREATE_ONLY
        )

    def _rescue(self, change: Change, step: Step, error: ApiError) -> None:
        """Undo the harm that a refused write has done, where its kind knows of any."""
        kind, address = self.kinds[change.address.kind], str(change.address)
        looks = kind.harm(change, step)
        if not looks or error.never_sent:
            return
        readings = self.readings.setdefault(address, {})
        try:
            for look in looks:
                readings[look.name] = self.client.get(self._path(look.path), self._pairs(look.query))
            for undo in kind.undo(change, self._known(address)):
                answer = self._sent(change, undo, doubtful=False)
                if undo.saves and isinstance(answer, Mapping):
                    self._save(undo, answer)
        except ApiError as second:
            lost = kind.harmed(change)
            raise ApiError(
                error.request,
                error.status,
                f"{error.detail}. It voided grants, and they could not be made again: {lost} ({second})",
            ) from error

    # -- references --------------------------------------------------------------------------------

    def _save(self, step: Step, answer: Mapping[str, Json]) -> None:
        self.answers[step.saves] = answer
        if isinstance(answer.get("id"), str):
            self.ids[step.saves] = answer["id"]
            address = Address.parse(step.saves)
            self.names[answer["id"]] = address.path

    def _known(self, name: str) -> Known:
        readings = dict(self.readings.get(name, {}))
        at = datetime.fromisoformat(readings["at"]) if "at" in readings else self.now()
        address = Address.parse(name)
        kind = self.kinds[address.kind]
        if name in self.answers:
            facts = kind.facts(self.answers[name], self.names)
        else:
            facts = self.live[address].facts if address in self.live else NO_FACTS
        parts = self.live[address].parts if address in self.live else ()
        return Known(readings, facts, at, parts)

    def _resolve(self, ref: Ref) -> Json:
        if ref.what == "id":
            if ref.of not in self.ids:
                raise ApiError(str(ref), 0, f"the id of {ref.of} is not known")
            return self.ids[ref.of]
        return self.kinds[Address.parse(ref.of).kind].resolve(ref, self._known(ref.of))

    def _resolved(self, value: Json) -> Json:
        if isinstance(value, Ref):
            return self._resolve(value)
        if isinstance(value, Mapping):
            return {k: self._resolved(v) for k, v in value.items()}
        return [self._resolved(v) for v in value] if isinstance(value, list | tuple) else value

    def _path(self, path: Sequence[str | Ref]) -> str:
        return join([str(self._resolved(p)) for p in path])

    def _pairs(self, query: Sequence[tuple[str, Json]]) -> list[tuple[str, Json]]:
        return [(k, self._resolved(v)) for k, v in query]


def _deleted(item: Json) -> bool:
    return isinstance(item, Mapping) and bool(item.get("deletedAt") or item.get("deleted_at"))


def _dig(item: Json, path: str) -> Json:
    """The value at a dotted path. A label's own name may have dots in it, so `metadata.` is cut off but once, and so is
    v3's `labels.`."""
    if not path:
        return item
    head, _, rest = path.partition(".")
    if head in ("metadata", "labels") and rest:
        return ((item or {}).get(head) or {}).get(rest) if isinstance(item, Mapping) else None
    value = item.get(head) if isinstance(item, Mapping) else None
    return _dig(value, rest) if rest else value


def _matches(item: Json, path: str, value: Json) -> bool:
    """`path` equals `value`; `path?` is there or not; `path!` differs."""
    if path.endswith("?"):
        return bool(_dig(item, path[:-1])) is bool(value)
    if path.endswith("!"):
        return bool(_dig(item, path[:-1]) != value)
    return bool(_dig(item, path) == value)
