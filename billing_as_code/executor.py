"""Carrying a plan out: its steps become requests, and what happens becomes events. It decides nothing.

A node is one phase of one change, with its steps in order; nodes run in parallel in two lanes once all that they need
is done. A failed node blocks only what needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from threading import Condition, local

from billing_as_code.client import OpenMeter
from billing_as_code.errors import ApiError, BacError
from billing_as_code.journal import Journal
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Address, Change, Event, Lane, State
from billing_as_code.order import MAIN, PREPARE, node_name
from billing_as_code.plan import Plan
from billing_as_code.sender import Sender, Stale


class Lanes:
    """How many writes may be under way at once. A time-out or a 429 halves both, for the rest of the run.

    A write takes its turn each time that it is sent: those that timed out together must not be repeated together.
    """

    def __init__(self, wide: int = 8, narrow: int = 2) -> None:
        self.wide, self.narrow, self.halved = wide, narrow, 0
        self._under_way: Counter[Lane] = Counter()
        self._changed = Condition()
        self._own = local()

    def width(self, lane: Lane) -> int:
        return self.wide if lane == "wide" else self.narrow

    @contextmanager
    def turn(self, lane: Lane) -> Iterator[None]:
        """One write of this thread, as soon as the lane takes it."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way[lane] < self.width(lane))
            self._under_way[lane] += 1
            self._own.since = self.halved
        try:
            yield
        finally:
            with self._changed:
                self._under_way[lane] -= 1
                self._changed.notify_all()
                del self._own.since

    def slow_down(self) -> None:
        """Halve both, told by the thread that met a slow answer; not for one that was sent before the last time."""
        with self._changed:
            if getattr(self._own, "since", self.halved) == self.halved:
                self.wide, self.narrow, self.halved = max(1, self.wide // 2), max(1, self.narrow // 2), self.halved + 1


@dataclass
class Node:
    """`number` is its place in the plan's order."""

    number: int
    name: str
    change: Change
    phase: str
    needs: set[str]

    @property
    def lane(self) -> Lane:
        steps = self.change.prepare if self.phase == PREPARE else self.change.steps
        return "narrow" if any(s.lane == "narrow" for s in steps) else "wide"


@dataclass
class Tally:
    """What became of the changes of a run: addresses, and for the failed ones why."""

    done: list[Address] = field(default_factory=list)
    failed: dict[Address, str] = field(default_factory=dict)
    blocked: list[Address] = field(default_factory=list)
    stale: list[Address] = field(default_factory=list)


def execute(
    plan: Plan,
    client: OpenMeter,
    kinds: Mapping[str, Kind],
    live: State,
    journal: Journal,
    lanes: Lanes,
    tally: Tally,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Event]:
    """Carry out the changes of a plan; nothing happens until the iterator is consumed.

    Every change ends in exactly one of done, failed and blocked, told in the events and in `tally`. Closing the
    iterator (an interrupt) lets running requests end and starts no others.
    """
    client.slowed = lanes.slow_down
    told = lanes.halved
    sender = Sender(plan, client, kinds, live, journal, lanes, now)
    queue = _Queue(_nodes(plan))
    total = len(plan.changes)
    with ThreadPoolExecutor(lanes.wide + lanes.narrow) as pool:
        running: dict[Future[None], Node] = {}
        try:
            while queue or running:
                for node in queue.start(running.values(), lanes):
                    running[pool.submit(sender.run, node.change, node.phase)] = node
                    yield Event(node.change.address, "started", node.phase, len(tally.done), total)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    node = running.pop(future)
                    yield from _settle(node, future, queue, tally, total, kinds)
                if lanes.halved > told:
                    told = lanes.halved
                    yield Event(
                        None, "note", f"OpenMeter is slow: going on {lanes.wide} wide, {lanes.narrow} for entitlements"
                    )
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _nodes(plan: Plan) -> Iterator[Node]:
    numbers = count()
    for change in plan.changes:
        if change.prepare:
            name = node_name((change.address, PREPARE))
            yield Node(next(numbers), name, change, PREPARE, set(change.prepare_needs))
        name = node_name((change.address, MAIN))
        yield Node(next(numbers), name, change, MAIN, set(change.needs))


class _Queue:
    """The nodes that have not started: who waits for whom, and in each lane which may start, in the plan's order."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._waiting: dict[str, Node] = {}
        self._users: dict[str, list[Node]] = {}
        self._ready: dict[Lane, list[tuple[int, Node]]] = {"wide": [], "narrow": []}
        self.blocked: set[Address] = set()
        for node in nodes:
            self._waiting[node.name] = node
            for name in node.needs:
                self._users.setdefault(name, []).append(node)
            self._offer(node)

    def __len__(self) -> int:
        return len(self._waiting)

    def _offer(self, node: Node) -> None:
        if not node.needs:
            heappush(self._ready[node.lane], (node.number, node))

    def start(self, running: Iterable[Node], lanes: Lanes) -> list[Node]:
        """Take out what may start now, as many as the lanes take beside those that run."""
        used = Counter(node.lane for node in running)
        taken: list[Node] = []
        for lane, ready in self._ready.items():
            for _ in range(min(len(ready), lanes.width(lane) - used[lane])):
                taken.append(heappop(ready)[1])
        for node in taken:
            del self._waiting[node.name]
        return sorted(taken, key=lambda node: node.number)

    def finished(self, node: Node) -> None:
        """Let go of those that waited for this one."""
        for user in self._users.pop(node.name, ()):
            user.needs.discard(node.name)
            if user.name in self._waiting:
                self._offer(user)

    def block(self, node: Node) -> Iterator[Node]:
        """Take out whatever can no longer run since this one failed, the nearest first."""
        layer = [node]
        while layer:
            users = {u.number: u for n in layer for u in self._users.pop(n.name, ()) if u.name in self._waiting}
            layer = [users[number] for number in sorted(users)]
            for user in layer:
                del self._waiting[user.name]
                yield user


def _settle(
    node: Node, future: Future[None], queue: _Queue, tally: Tally, total: int, kinds: Mapping[str, Kind]
) -> Iterator[Event]:
    address = node.change.address
    error = future.exception()
    if error is None:
        queue.finished(node)
        if node.phase == MAIN:
            tally.done.append(address)
            yield Event(address, "done", node.change.action, len(tally.done), total)
        return
    if not isinstance(error, BacError):
        raise error
    if isinstance(error, Stale):
        tally.stale.append(address)
    tally.failed[address] = _words(error, kinds[address.kind])
    yield Event(address, "failed", tally.failed[address], len(tally.done), total)
    yield from _block(node, queue, tally, total)


def _block(node: Node, queue: _Queue, tally: Tally, total: int) -> Iterator[Event]:
    """Take out whatever can no longer run, and say so once for each change."""
    for other in queue.block(node):
        address = other.change.address
        if address not in tally.failed and address not in queue.blocked:
            queue.blocked.add(address)
            tally.blocked.append(address)
            yield Event(address, "blocked", f"needs {node.change.address}", len(tally.done), total)


def _words(error: BacError, kind: Kind) -> str:
    if not isinstance(error, ApiError):
        return str(error)
    helps = kind.helps(error.detail) or ("OpenMeter forbids it" if error.status == 403 else "")
    return f"{error}. {helps}" if helps else str(error)
