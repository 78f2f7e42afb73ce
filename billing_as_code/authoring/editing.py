"""Edits of a file's text: only what differs is written anew, so comments, order, quotes and anchors stay.

An edit is a place and a value. What is aliased is never changed for others: an alias that is edited is written out, and
where the text behind an anchor changes, its first other user takes the anchor over as it was.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from billing_as_code.authoring.wanted import REMOVED, Edit, EditError, Leaf, patched, real, tree
from billing_as_code.authoring.writing import Fields, Group, entry, flow
from billing_as_code.kinds.schema import USE
from billing_as_code.reader import Alias, Map, Node, Scalar, extents, plain, walk

_LINE = 120
Order = Callable[[tuple[str, ...]], Sequence[str]]
"""The order that the keys of the map at a path are written in where nothing else says; empty: by key."""
Levels = Callable[[tuple[str, ...]], int]
"""How many keys are between the map at a path and a resource: 0 is a resource, below 0 is within one."""


def edit(text: str, edits: Iterable[Edit], order: Order, levels: Levels) -> str:
    """The text with all edits carried out. Raises EditError where two of them are in each other's way.

    `text` must be one that `reader.read` takes without a problem.
    """
    bom = text[:1] == "\ufeff"
    text = text[bom:]
    wanted = tree(edits)
    if not wanted:
        return "\ufeff" * bom + text
    return "\ufeff" * bom + _Editing(text, order, levels).edited(wanted)


class _Splice(NamedTuple):
    start: int
    end: int
    text: str


class _Editing:
    """One text, and what is to be replaced in it."""

    def __init__(self, text: str, order: Order, levels: Levels) -> None:
        self._text, self._order, self._levels = text, order, levels
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._root = extents(text)
        self._splices: list[_Splice] = []
        self._gone: list[Node] = []
        """What is replaced or taken out, with all that is in it."""
        self._changed: list[Node] = []
        """Maps with an anchor in which something changes."""

    def edited(self, edits: Mapping[str, Any]) -> str:
        wanted = real(self._root, edits)
        if self._root is None:
            sections = [[*entry(k, self._made((k,), wanted[k]), 0)] for k in sorted(wanted, key=self._rank([], ()))]
            end = "" if not self._text or self._text.endswith("\n") else self._newline
            blocks = ["".join(f"{row}{self._newline}" for row in rows) for rows in sections]
            return self._text + end + self._newline.join(blocks)
        self._map(self._root, wanted, ())
        self._keep_aliases()
        return self._spliced()

    def _spliced(self) -> str:
        parts: list[str] = []
        at = 0
        for start, end, text in sorted(self._splices, key=lambda s: (s.start, s.end)):
            if start < at:
                raise EditError("two edits are in each other's way")
            parts += (self._text[at:start], text)
            at = end
        return "".join((*parts, self._text[at:]))

    # -- maps ------------------------------------------------------------------------------------------

    def _map(self, node: Map, wanted: Mapping[str, Any], path: tuple[str, ...]) -> None:
        if node.anchor is not None:
            self._changed.append(node)
        if self._is_emptied(node, wanted, path):
            self._replace(node, node.start, "{}")
            return
        new = {key: self._made((*path, key), want) for key, want in wanted.items() if key not in node.entries}
        there = {key: want for key, want in wanted.items() if key in node.entries}
        gone = [key for key, want in there.items() if self._goes(node.entries[key][1], want, (*path, key))]
        kept = [key for key in node.entries if key not in gone]
        if node.flow and not kept:
            self._replace(node, node.start, flow(new))
            return
        for key in gone:
            self._take_out(node, key, kept)
        for key, want in there.items():
            if key not in gone:
                self._change(node, key, want, (*path, key))
        if new:
            self._add(node, kept, new, path)

    def _change(self, node: Map, key: str, want: Any, path: tuple[str, ...]) -> None:
        """Change what stands behind a key: in it, where that is a map, else as a whole."""
        name, value = node.entries[key]
        if isinstance(want, Leaf):
            self._set(node, name, value, self._made(path, want))
        elif isinstance(value, Map) and self._is_emptied(value, want, path):
            self._set(node, name, value, {})
        elif isinstance(value, Map) and not self._outgrows(node, name, value, want):
            self._map(value, want, path)
        elif isinstance(value, Map):
            self._set(node, name, value, self._made(path, Leaf(patched(plain(value), want))))
        elif isinstance(value, Alias) and isinstance(value.target, Map):
            self._set(node, name, value, self._made(path, Leaf(patched(plain(value.target), want))))
        else:
            self._set(node, name, value, self._made(path, want))

    def _outgrows(self, parent: Map, name: Scalar, value: Map, want: Mapping[str, Any]) -> bool:
        """Whether a map in braces on one line becomes longer than a line, so that a block is easier to read."""
        if parent.flow or not value.flow or "\n" in self._text[value.start : value.end]:
            return False
        width = len(flow(patched(plain(value), want)))
        is_simple = not any(node.anchor is not None or isinstance(node, Alias) for node in walk(value))
        return is_simple and width > value.end - value.start and value.column + width > _LINE

    def _goes(self, value: Node, want: Any, path: tuple[str, ...]) -> bool:
        """Whether an entry is taken out: by itself, or since nothing is left in it. A resource stays, as `{}`."""
        if isinstance(want, Leaf):
            return want.value is REMOVED
        return self._levels(path) != 0 and isinstance(value, Map) and self._is_emptied(value, want, path)

    def _is_emptied(self, node: Map, wanted: Mapping[str, Any], path: tuple[str, ...]) -> bool:
        return (
            bool(node.entries)
            and all(k in wanted and self._goes(v, wanted[k], (*path, k)) for k, (_, v) in node.entries.items())
            and all(key in node.entries for key in wanted)
        )

    def _made(self, path: tuple[str, ...], want: Any) -> Any:
        """The value of an entry as it is to be written: what leads to resources, resources, and what is in them."""
        value, level = want.value if isinstance(want, Leaf) else want, self._levels(path)
        if not isinstance(value, dict):
            return value
        if not isinstance(want, Leaf):
            value = {k: self._made((*path, k), v) for k, v in value.items()}
        elif level > 0:
            value = {k: self._made((*path, k), Leaf(v)) for k, v in value.items()}
        return Group(sorted(value.items())) if level > 0 else Fields(value) if level == 0 else value

    # -- one entry -------------------------------------------------------------------------------------

    def _set(self, parent: Map, name: Scalar, value: Node, new: Any) -> None:
        """Write another value behind a key."""
        if parent.flow:
            gap = "" if self._text[value.start - 1] in " \n" else " "
            self._replace(value, value.start, gap + flow(new))
            return
        head, *rest = entry("k", new, _indent(parent))
        colon = self._text.index(":", name.end) + 1
        if value.line != name.line and self._text[colon : value.start].strip():
            self._replace(value, value.start, flow(new))  # a comment stands behind the key, so the value stays below it
            return
        comment = self._comment(value) if rest else ""  # it stays on the first line, and out of a text block
        self._replace(value, colon, self._newline.join([head.partition(":")[2] + comment, *rest]), behind=len(comment))

    def _comment(self, value: Node) -> str:
        """What stands behind a value on its last line."""
        end = self._text.find("\n", value.end)
        return self._text[value.end : end if end >= 0 else None].rstrip()

    def _replace(self, value: Node, start: int, text: str, *, behind: int = 0) -> None:
        """Replace a node from `start` on, and so many characters behind it."""
        end = max(value.end, start) + behind
        while end > start and self._text[end - 1] in "\r\n":
            end -= 1  # a text block ends with its line, and with the blank ones behind it
        self._splices.append(_Splice(start, end, text))
        self._gone.append(value)

    def _take_out(self, node: Map, key: str, kept: Sequence[str]) -> None:
        name, value = node.entries[key]
        self._gone.append(value)
        end = max(name.end, value.end)
        if not node.flow:
            start = self._line_start(name.start)
            if self._text[start : name.start].strip():
                raise EditError(f"`{key}` shares its line with something else")
            self._splices.append(_Splice(start, self._line_end(end), ""))
            return
        keys = list(node.entries)
        i = keys.index(key)
        if kept[0] in keys[:i]:
            before = node.entries[keys[i - 1]]
            self._splices.append(_Splice(max(before[0].end, before[1].end), end, ""))
        else:
            self._splices.append(_Splice(name.start, node.entries[keys[i + 1]][0].start, ""))

    # -- new entries -----------------------------------------------------------------------------------

    def _add(self, node: Map, kept: Sequence[str], new: Mapping[str, Any], path: tuple[str, ...]) -> None:
        rank = self._rank(kept, path)
        places: dict[str | None, dict[str, Any]] = {}
        ranks = [rank(there) for there in kept]
        in_order = ranks == sorted(ranks)
        for key in sorted(new, key=rank):
            own = rank(key)
            below = (i + 1 for i, there in enumerate(ranks) if there < own)
            lower = bisect_left(ranks, own) if in_order else max(below, default=0)
            places.setdefault(kept[lower - 1] if lower else None, {})[key] = new[key]
        for after, some in places.items():
            if not node.entries:
                self._splices.append(_Splice(node.end - 1, node.end - 1, flow(some)[1:-1]))
            elif node.flow:
                self._add_to_flow(node, after, some)
            else:
                self._add_to_block(node, after, some, spaced=not path)

    def _rank(self, kept: Sequence[str], path: tuple[str, ...]) -> Callable[[str], tuple[Any, ...]]:
        """How the keys of a map are ordered: as the order says, else by key where they are so already, else last."""
        known = {key: n for n, key in enumerate(self._order(path))}
        there = {key: n for n, key in enumerate(kept)}
        is_sorted = path and [k for k in kept if k != USE] == sorted(k for k in kept if k != USE)

        def rank(key: str) -> tuple[Any, ...]:
            if key == USE:
                return (-1,)
            if known:
                return (known.get(key, len(known)),)
            return (0, key) if is_sorted else (there.get(key, len(there)), key)

        return rank

    def _add_to_flow(self, node: Map, after: str | None, new: Mapping[str, Any]) -> None:
        text = flow(dict(new))[1:-1]
        if after is None:
            first = next(iter(node.entries.values()))[0]
            self._splices.append(_Splice(first.start, first.start, f"{text}, "))
        else:
            end = self._end(node, after)
            self._splices.append(_Splice(end, end, f", {text}"))

    def _add_to_block(self, node: Map, after: str | None, new: Mapping[str, Any], *, spaced: bool) -> None:
        rows = [row for key, value in new.items() for row in [*[""] * spaced, *entry(key, value, _indent(node))]]
        text = "".join(f"{row}{self._newline}" for row in rows)
        if after is None:
            first = next(iter(node.entries.values()))[0]
            start = self._line_start(first.start)
            above = self._above_comments(start)
            if above and not self._text[start : first.start].strip():
                self._splices.append(_Splice(above, above, text))
                return
            after = next(iter(node.entries))  # nothing stands above it where something could be put
        end = self._line_end(self._end(node, after))
        if end and self._text[end - 1] != "\n":
            text = self._newline + text.removesuffix(self._newline)
        self._splices.append(_Splice(end, end, text))

    def _end(self, node: Map, key: str) -> int:
        name, value = node.entries[key]
        return max(name.end, value.end)

    def _above_comments(self, start: int) -> int:
        """The start of the comment and blank lines right above a line."""
        while start:
            line = self._line_start(start - 1)
            if self._text[line:start].strip() and not self._text[line:start].lstrip().startswith("#"):
                break
            start = line
        return start

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        """Behind the line that `at` is in; `at` itself where a line has just ended (a text block's end)."""
        if at and self._text[at - 1] == "\n":
            return at
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end + 1

    # -- anchors ---------------------------------------------------------------------------------------

    def _keep_aliases(self) -> None:
        """Give the anchors of what changes to others who use them."""
        assert self._root is not None
        gone = {id(inner) for node in self._gone for inner in walk(node)}
        left: dict[int, list[Alias]] = {}
        for node in walk(self._root):
            if isinstance(node, Alias) and id(node) not in gone and node.target is not None:
                left.setdefault(id(node.target), []).append(node)
        lost = [inner for node in self._gone for inner in walk(node) if inner.anchor is not None]
        for node in {id(n): n for n in (*lost, *self._changed)}.values():
            if not (users := left.get(id(node))):
                continue
            first = users[0]
            self._splices.append(_Splice(first.start, first.end, f"&{node.anchor} {flow(plain(node))}"))
            if id(node) not in gone:
                start = self._text.index(f"&{node.anchor}", node.start)
                end = start + 1 + len(node.anchor or "")
                while self._text[start - 1] == " ":
                    start -= 1
                self._splices.append(_Splice(start, end, ""))


def _indent(node: Map) -> int:
    """The column of a block's keys; that of the block itself may be where its anchor stands."""
    return next(iter(node.entries.values()))[0].column
