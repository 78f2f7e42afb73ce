"""Recordings of a real OpenMeter, replayed against the dev server: every exchange must be answered equally.

The recordings lie beside the checkout; without them these tests are skipped.

Three things can only be equal by chance. OpenMeter prints the address of a version instead of the version in one text.
The other two depend on the random ids that the recorded server drew. Cursors carry an
id inside base64, where the replay cannot tell that it is one: their time is compared here instead. And groups come
in the order of a hash, which for groups by customer is a hash of the ids: of such an answer only the form and the
number of rows count.

One scenario wants speed: what was cancelled in the second in which it began cannot be settled (`test_billing` sets the
clock to both). A replay in which a second went by between the two is made again.
"""

from __future__ import annotations

import base64
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"
REPLAY = RECORDINGS / "replay.py"
# The rest of the catalog is not answered here.
OF_THE_CATALOG = (
    *(
        "billing_profiles_v1",
        "billing_profiles_v3",
        "boot_state",
        "features_archive_and_use",
        "stripe_checkout_without_stripe",
    ),
    *("plan_canonical_values", "plan_create_rejected", "plan_entitlement_templates_v1", "plan_list_filters"),
    *("plan_minimal_v1", "plan_minimal_v3", "plan_price_types_v1", "plan_publish_blocked", "plan_put_draft"),
    *("plan_price_types_v3", "plan_rate_card_order", "plan_tax_config", "plan_unit_config", "plan_versions"),
    *("subscription_cancel", "subscription_change_plan", "subscription_change_usage", "subscription_create_v1"),
    *("subscription_create_v3", "subscription_customer_currency", "subscription_entitlements"),
    *("subscription_list_all_statuses", "subscription_migrate", "tax_codes"),
)
SCENARIOS = [
    *sorted(path for folder in ("core", "entitlements") for path in (RECORDINGS / folder).glob("*.json")),
    *(path for path in sorted((RECORDINGS / "catalog").glob("*.json")) if path.stem in OF_THE_CATALOG),
]

pytestmark = pytest.mark.skipif(not REPLAY.is_file(), reason="the recordings are not beside the checkout")

DIFFERING_EXCHANGE = re.compile(r"  \w+#(?P<number>\d+) ")
TOO_SLOW = re.compile(r": status 204, expected 400; .*fire trigger shrink: validate shrink patch")
TRIES = 5
PRINTED_ADDRESS = re.compile(r"cannot migrate to version \d', expected '.* cannot migrate to version \d{9,}'$")
DIFFERING_CURSOR = re.compile(
    r"\.(?:nextCursor|meta\.page\.(?:first|last|next)): '([\w+/=-]+)', expected '([\w+/=-]+)'"
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_every_exchange_of_the_recording_is_answered_equally(
    scenario: Path, served: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(REPLAY), served, "-v", str(scenario)])
    for _ in range(TRIES):
        runpy.run_path(str(REPLAY), run_name="__main__")["c"].close()
        *differing, _, total = capsys.readouterr().out.strip("\n").splitlines()
        if not any(TOO_SLOW.search(line) for line in differing):
            break
    exchanges = json.loads(scenario.read_text())["exchanges"]
    assert [line for line in differing if not is_by_chance(line, exchanges)] == []
    passed, failed = re.fullmatch(r"(\d+) passed, (\d+) failed", total).groups()  # type: ignore[union-attr]
    assert int(failed) == len(differing)
    assert int(passed) > 0


def test_there_are_recordings_to_replay() -> None:
    assert SCENARIOS


def is_by_chance(line: str, exchanges: list[dict[str, Any]]) -> bool:
    """Whether the exchange that the line is about differs in nothing but what random ids or addresses decide."""
    exchange = DIFFERING_EXCHANGE.match(line)
    if exchange is None:
        return False
    if PRINTED_ADDRESS.search(line) and line.count(", expected ") == 1:
        return True
    if is_query_by_customer(exchanges[int(exchange["number"])]["request"]):
        return re.search(r": status |: content type |\.data: |missing|extra", line) is None
    cursors = DIFFERING_CURSOR.findall(line)
    return len(cursors) == line.count(", expected ") and all(
        time_in(ours) == time_in(theirs) for ours, theirs in cursors
    )


def is_query_by_customer(request: dict[str, Any]) -> bool:
    """A meter's query by customers groups by them too, asked for or not."""
    is_query = "/meters/" in request["path"] and request["path"].endswith("/query")
    asked = json.dumps([request.get("query"), request.get("body")])
    return is_query and ("customer_id" in asked or "filterCustomerId" in asked)


def time_in(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor).decode().split(",")[0]
