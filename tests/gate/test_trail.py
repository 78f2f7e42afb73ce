"""The audit trail and the store: what is written once stays, and what was changed shows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import share

from billing_as_code.gate.audit import Audit
from billing_as_code.gate.store import FileStore

ENTRIES = st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=8)), min_size=2, max_size=6)


@settings(max_examples=share(0.2))
@given(ENTRIES, st.data())
def test_a_line_that_is_changed_taken_out_or_moved_breaks_the_chain(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, str]], data: st.DataObject
) -> None:
    audit = Audit(tmp_path_factory.mktemp("audit") / "audit.jsonl")
    heads = [audit.append({**entry, "n": n}) for n, entry in enumerate(entries)]
    trail = audit.read()
    assert (trail.whole, trail.head, len(trail.entries)) == (True, heads[-1], len(entries))
    assert all(trail.has(head[:16]) for head in heads) and not trail.has("f" * 64)
    lines = audit.path.read_bytes().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 2))
    for changed in (
        [*lines[:at], lines[at].replace(b'"n":', b'"m":'), *lines[at + 1 :]],
        [*lines[:at], *lines[at + 1 :]],
        [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
        [*lines[: at + 1], b"{}\n", *lines[at + 1 :]],
    ):
        audit.path.write_bytes(b"".join(changed))
        assert not audit.read().whole
        audit.append({"n": 99})
        assert not audit.read().whole
    audit.path.write_bytes(b"".join(lines[:-1]))
    assert audit.read().whole and not audit.read().has(heads[-1])


def test_a_line_that_was_cut_off_is_told_and_the_next_ones_follow_it(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    audit.append({"n": 1})
    audit.path.write_bytes(audit.path.read_bytes() + b'{"n":2,"pre')
    assert audit.read().broken == ((2, "is cut off"), (2, "is no entry"))
    audit.append({"n": 3})
    assert audit.read().broken == ((2, "is no entry"),)
    assert [e["n"] for e in audit.read().entries] == [1, 3]


def test_a_long_entry_is_followed_like_a_short_one(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    for size in (0, 70_000, 1, 200_000):
        audit.append({"text": "x" * size})
    assert audit.read().whole


def test_many_at_once_make_one_chain(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    threads = [threading.Thread(target=audit.append, args=({"n": n},)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trail = audit.read()
    assert trail.whole and sorted(e["n"] for e in trail.entries) == list(range(20))


def test_nothing_has_happened_where_there_is_no_file(tmp_path: Path) -> None:
    trail = Audit(tmp_path / "audit.jsonl").read()
    assert (trail.whole, trail.entries) == (True, ())


def test_of_many_who_write_one_document_one_does(tmp_path: Path) -> None:
    store, name = FileStore(tmp_path / "store"), "a" * 64 + ".claim"
    wrote: list[tuple[bool, str]] = []
    threads = [threading.Thread(target=lambda n=n: wrote.append((store.put(name, str(n)), str(n)))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [n for done, n in wrote if done] == [store.get(name)]
    assert store.names() == [name]
    assert [p.name for p in store.folder.iterdir()] == [f"{name}.json"]
    assert (store.folder / f"{name}.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "../bac", "a" * 63, "A" * 64, "a" * 64 + "./x", "a" * 64 + ".claim/x"])
def test_no_name_leads_elsewhere(tmp_path: Path, name: str) -> None:
    store = FileStore(tmp_path)
    for use in (store.get, store.drop, lambda n: store.put(n, "")):
        with pytest.raises(ValueError):
            use(name)
