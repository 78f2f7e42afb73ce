"""Views as lines: exact numbers, and bars that a terminal or a log can carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing_as_code.kinds.looks import Facts, Group, Grouped, Series, Table, View, Window, exact
from billing_as_code.render.lines import plain
from billing_as_code.render.views import view

START = datetime(2026, 11, 1, tzinfo=UTC)


def drawn(found: View, *, blocks: bool = False) -> list[str]:
    return plain(view(found, blocks=blocks))


def days(*amounts: str | int | None) -> tuple[Window, ...]:
    step = timedelta(days=1)
    values = [None if amount is None else Decimal(amount) for amount in amounts]
    return tuple(Window(START + n * step, START + (n + 1) * step, value) for n, value in enumerate(values))


def test_a_few_windows_are_rows_with_their_amounts() -> None:
    found = Series("day", days(8, None, "0.01", -3, 4), Decimal(12))

    assert drawn(found) == [
        "  2026-11-01     8  ##############################",
        "  2026-11-02     -",
        "  2026-11-03  0.01  #",
        "  2026-11-04    -3",
        "  2026-11-05     4  ###############",
        "  total  12",
    ]
    assert drawn(found, blocks=True)[:3] == [
        "  2026-11-01     8  ██████████████████████████████",
        "  2026-11-02     -",
        "  2026-11-03  0.01  ▏",
    ]


def test_many_windows_are_columns() -> None:
    found = Series("day", days(*range(0, 1600, 100)))

    assert drawn(found) == [
        "  1,500                ##",
        "                    #####",
        "                 ########",
        "              ###########",
        "      0   ###############",
        "         2026-11-01 2026-11-16",
    ]
    assert drawn(found, blocks=True) == [
        "  1,500               ▃▅█",
        "                   ▃▅████",
        "                ▃▅███████",
        "             ▃▅██████████",
        "      0   ▃▅█████████████",
        "         2026-11-01 2026-11-16",
    ]


def test_the_least_amount_is_seen_beside_the_largest() -> None:
    amounts = [0] * 13 + [1, 1_000_000_000]

    assert drawn(Series("day", days(*amounts)))[4] == "              0               ##"
    assert drawn(Series("day", days(*amounts)), blocks=True)[4] == "              0               ▁█"


def test_more_than_sixty_windows_never_make_a_line_longer() -> None:
    lines = drawn(Series("day", days(*range(1000))))

    assert max(map(len, lines)) == len("  999  ") + 60
    assert lines[-1] == "  The last 60 of 1,000 days."


def test_windows_with_nothing_in_them_are_one_line() -> None:
    assert drawn(Series("hour", days(0, 0))) == ["  Nothing in 2 hours."]
    assert drawn(Series("hour", (), notes=("None yet.",))) == ["  None yet."]


def test_a_table_leaves_out_what_no_row_has() -> None:
    found = Table(
        ("name", "amount", "ends_at", "is_on"),
        (("a", Decimal("1234.50"), None, True), ("\x1b[2J" + "x" * 60, Decimal("1E+3"), None, False)),
        "Nothing.",
        count=12,
    )

    assert drawn(found) == [
        "  name" + " " * 47 + "amount  is on",
        "  a" + " " * 49 + "1,234.5  yes",
        "  \\x1b[2J" + "x" * 40 + "…    1,000  no",
        "  … and 10 more",
    ]
    assert drawn(Table(("name",), (), "Nothing.")) == ["  Nothing."]


def test_facts_are_aligned_and_times_are_in_utc() -> None:
    found = Facts((("period_from", START), ("at", START + timedelta(seconds=5)), ("left", None), ("open", True)))

    assert drawn(found) == [
        "  period from  2026-11-01 00:00 UTC",
        "  at           2026-11-01 00:00:05 UTC",
        "  left         -",
        "  open         yes",
    ]


def test_of_many_groups_the_largest_are_columns_and_the_rest_is_counted() -> None:
    groups = tuple(Group((f"g{n}", "eu"), Decimal(9 - n), days(9 - n)) for n in range(8))

    assert drawn(Grouped(("model", "region"), "day", groups)) == [
        "  day         g0 / eu  g1 / eu  g2 / eu  g3 / eu  g4 / eu",
        "  2026-11-01        9        8        7        6        5",
        "  total             9        8        7        6        5",
        "  … and 3 smaller groups (--json has all)",
    ]
    assert drawn(Grouped(("model",), "day", ())) == ["  Nothing in this time."]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (16.214285714285715, "16.214285714285715"),
        (1e21, "1,000,000,000,000,000,000,000"),
        (1e-07, "0.0000001"),
        (93.0, "93"),
        (10**40, "10" + ",000" * 13),
        (-1234.5, "-1,234.5"),
        (0, "0"),
    ],
)
def test_numbers_are_shown_exactly(number: float, shown: str) -> None:
    assert drawn(Facts((("n", exact(number)),))) == [f"  n  {shown}"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, "1", None, []])
def test_what_is_no_amount_is_refused(number: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        exact(number)
