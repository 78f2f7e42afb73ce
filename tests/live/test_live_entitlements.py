"""Limits on an OpenMeter, embedded or real: usage is counted, and a change keeps what a customer has used and has left.

Usage lies in the past of a period that began two hours ago and ends in 22, so that no test waits for the clock; what
another terms' customer has (the twin, to whom the new terms applied from the start) is what the changed one must have.
"""

from __future__ import annotations

from typing import Any

import pytest
from account import Account

METERED = "meters: {my_tokens: {aggregation: sum, event_type: my_prompt, value_property: $.n}}"


def terms(account: Account, limit: str) -> str:
    """An entitlement's terms: a limit, from two hours ago on."""
    period = f"{{interval: day, anchor: {account.at(-120)}}}"
    return f"{{type: metered, usage_period: {period}, measure_usage_from: current_period_start, {limit}}}"


def catalog(account: Account, *, grants: str = "{}", meter: str = METERED, **limits: str) -> str:
    """Customers called by these names, each with such a limit on my_ai, and all with the same grants."""
    customers = "".join(f"  my_{name}: {{name: {name}, subjects: [my_{name}_1]}}\n" for name in limits)
    held = "".join(f"  my_{name}: {{my_ai: {terms(account, limit)}}}\n" for name, limit in limits.items())
    given = "".join(f"  my_{name}: {{my_ai: {grants}}}\n" for name in limits)
    features = "features: {my_ai: {meter: my_tokens}}\n"
    return f"{meter}\n{features}customers:\n{customers}entitlements:\n{held}grants:\n{given}"


def ingested(account: Account, *used: tuple[str, int, int]) -> None:
    """Usage, and the wait until it has been stored."""
    before = account.counted("my_tokens")
    account.ingest(*used)
    account.eventually(lambda: account.counted("my_tokens"), before + sum(n for _, _, n in used))


def values(account: Account, customer: str) -> list[dict[str, Any]]:
    """What a customer has: soon, when the grants have ended, in the next period, and in the one after that."""
    return [account.value(customer, "my_ai", minutes) for minutes in (10, 60 * 6, 60 * 23, 60 * 47)]


def test_usage_of_all_subjects_lowers_the_balance(account: Account) -> None:
    account.write(catalog(account, acme="issue: {amount: 100}"))
    account.converge()
    assert account.value("my_acme", "my_ai") == {"hasAccess": True, "balance": 100, "usage": 0, "overage": 0}
    ingested(account, ("my_acme", -60, 30), ("my_acme_1", -50, 12), ("my_nobody", -50, 1))
    assert account.value("my_acme", "my_ai") == {"hasAccess": True, "balance": 58, "usage": 42, "overage": 0}
    ingested(account, ("my_acme", -40, 70))
    assert account.value("my_acme", "my_ai") == {"hasAccess": None, "balance": 0, "usage": 112, "overage": 12}


def test_a_file_of_usage_that_is_ingested_again_counts_once(account: Account) -> None:
    account.write(METERED)
    account.converge()
    file = account.ingest(("my_acme", -60, 30), ("my_acme", -50, 12))
    account.eventually(lambda: account.counted("my_tokens"), 42.0)
    account.mortal.die_at(1, only_writes=True)
    account.bac("ingest", str(file))
    assert account.counted("my_tokens") == 42


GRANTS = """{{small: {{amount: 10, priority: 1, effective_at: {begin}}},
              large: {{amount: 40, priority: 2, effective_at: {begin}, expiration: {{duration: hour, count: 5}}}}}}"""


@pytest.mark.parametrize(
    "limit",
    [
        "issue: {amount: 200, priority: 9}",
        "issue: {amount: 20, priority: 9}",
        "issue: {amount: 50, priority: 9}, is_soft_limit: true",
    ],
    ids=["raised", "lowered", "soft"],
)
def test_a_changed_limit_is_as_if_it_had_been_so_from_the_start(account: Account, limit: str) -> None:
    grants = GRANTS.format(begin=account.at(-120))
    account.write(catalog(account, grants=grants, acme="issue: {amount: 50, priority: 9}", twin=limit))
    account.converge()
    used = [(-100, 7), (-80, 8), (-20, 60)]
    ingested(account, *((who, at, n) for at, n in used for who in ("my_acme", "my_twin")))
    account.write(catalog(account, grants=grants, acme=limit, twin=limit))
    assert account.converge() == [("replace", "entitlements.my_acme.my_ai")]
    assert values(account, "my_acme") == values(account, "my_twin")
    assert account.value("my_acme", "my_ai")["usage"] == 75


def test_a_limit_is_changed_again_and_again_and_nothing_is_lost(account: Account) -> None:
    grants, limit = GRANTS.format(begin=account.at(-120)), "issue: {{amount: {}, priority: 9}}"
    account.write(catalog(account, grants=grants, acme=limit.format(50), twin=limit.format(80)))
    account.converge()
    ingested(account, ("my_acme", -60, 25), ("my_twin", -60, 25))
    for amount in (60, 70, 80):
        account.write(catalog(account, grants=grants, acme=limit.format(amount), twin=limit.format(80)))
        account.converge()
    assert values(account, "my_acme") == values(account, "my_twin")


def test_a_change_after_a_reset_keeps_the_period_that_the_reset_began(account: Account) -> None:
    account.write(catalog(account, acme="issue: {amount: 50}"))
    account.converge()
    ingested(account, ("my_acme", -60, 30))
    account.api("POST", "/api/v2/customers/my_acme/entitlements/my_ai/reset", {"retainAnchor": False})
    period = account.entitlement("my_acme", "my_ai")["currentUsagePeriod"]
    account.write(catalog(account, acme="issue: {amount: 80}"))
    account.converge()
    assert account.entitlement("my_acme", "my_ai")["currentUsagePeriod"] == period
    assert account.value("my_acme", "my_ai") == {"hasAccess": True, "balance": 80, "usage": 0, "overage": 0}


def test_another_type_or_interval_is_breaking_and_afterwards_nothing_is_left_to_do(account: Account) -> None:
    account.write(catalog(account, acme="issue: {amount: 50}"))
    account.converge()
    ingested(account, ("my_acme", -60, 30))
    hourly = catalog(account, acme="issue: {amount: 50}").replace("interval: day", "interval: PT4H")
    account.write(hourly)
    account.bac("apply", "--yes", code=5)
    account.converge()
    assert account.value("my_acme", "my_ai")["usage"] == 0, "another interval measures anew"

    account.write(hourly.replace(terms(account, "issue: {amount: 50}").replace("day", "PT4H"), "{type: boolean}"))
    account.bac("apply", "--yes", code=5)
    account.converge()
    assert account.entitlement("my_acme", "my_ai")["type"] == "boolean"


def test_a_static_value_is_replaced(account: Account) -> None:
    text = "features: {{my_seats: {{}}}}\ncustomers: {{my_acme: {{name: A}}}}\n"
    text += "entitlements: {{my_acme: {{my_seats: {{type: static, config: {}}}}}}}"
    account.write(text.format("{max: 25, names: [a, 1.50, null]}"))
    account.converge()
    account.write(text.format("{max: 50, zones: {aa: 1, b: 2}}"))
    assert account.converge() == [("replace", "entitlements.my_acme.my_seats")]
    assert account.entitlement("my_acme", "my_seats")["type"] == "static"


# -- grants -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("used", "amount", "left"), [(4, 30, 26), (4, 6, 2), (9, 5, 0)])
def test_a_grants_new_amount_leaves_what_it_leaves_after_what_was_burnt(
    account: Account, used: int, amount: int, left: int
) -> None:
    grant = f"{{welcome: {{amount: %d, effective_at: {account.at(-120)}}}}}"
    account.write(catalog(account, grants=grant % 10, acme="issue: {amount: 0}"))
    account.converge()
    ingested(account, ("my_acme", -60, used))
    account.write(catalog(account, grants=grant % amount, acme="issue: {amount: 0}"))
    account.converge()
    assert account.value("my_acme", "my_ai")["balance"] == left
    assert len(account.grants("my_acme", "my_ai")) == (1 if left else 0)


def test_a_grant_ends_when_it_says_and_one_that_left_the_catalog_is_voided(account: Account) -> None:
    begin = account.at(-120)
    short = f"short: {{amount: 10, effective_at: {begin}, expiration: {{duration: hour, count: 5}}}}"
    account.write(catalog(account, grants=f"{{{short}, long: {{amount: 7, effective_at: {begin}}}}}", acme=""))
    account.converge()
    balances = [account.value("my_acme", "my_ai", minutes)["balance"] for minutes in (10, 60 * 4)]
    assert balances == [17, 7]
    account.write(catalog(account, grants=f"{{{short}}}", acme=""))
    assert account.converge() == [("delete", "grants.my_acme.my_ai.long")]
    assert account.value("my_acme", "my_ai", 10)["balance"] == 10


# -- what is under an entitlement -------------------------------------------------------------------------------------


def test_a_feature_that_is_replaced_takes_its_entitlements_along(account: Account) -> None:
    account.write(catalog(account, acme="issue: {amount: 50}"))
    account.converge()
    ingested(account, ("my_acme", -60, 30))
    features = "features: {my_ai: {meter: my_tokens, name: AI}}"
    text = catalog(account, acme="issue: {amount: 50}")
    account.write(text.replace("features: {my_ai: {meter: my_tokens}}", features))
    done = account.converge("--replace", "features.my_ai")
    assert done == [("replace", "features.my_ai"), ("replace", "entitlements.my_acme.my_ai")]
    assert account.value("my_acme", "my_ai", 10) == {"hasAccess": True, "balance": 20, "usage": 30, "overage": 0}


def test_a_meter_in_use_is_replaced_and_nobody_loses_access_meanwhile(account: Account) -> None:
    account.write(catalog(account, acme="issue: {amount: 500}"))
    account.converge()
    ingested(account, ("my_acme", -60, 30))
    other = METERED.replace("$.n", "$.m")
    account.write(catalog(account, acme="issue: {amount: 500}", meter=other))

    def access() -> Any:
        """OpenMeter answers a question that an override overtakes on its way without the grants that this takes: who
        asks again has the truth."""
        return account.value("my_acme", "my_ai")["hasAccess"] or account.value("my_acme", "my_ai")["hasAccess"]

    with account.watching(access) as seen:
        done = account.converge()
    assert {a for _, a in done} == {"meters.my_tokens", "features.my_ai", "entitlements.my_acme.my_ai"}
    assert set(seen) == {True}
    assert account.value("my_acme", "my_ai", 10) == {"hasAccess": True, "balance": 200, "usage": 300, "overage": 0}


def test_usage_goes_with_a_subject_that_changes_hands(account: Account) -> None:
    account.write(catalog(account, a="issue: {amount: 50}", b="issue: {amount: 50}"))
    account.converge()
    ingested(account, ("my_a_1", -60, 30), ("my_b_1", -60, 4))
    account.write(
        catalog(account, a="issue: {amount: 50}", b="issue: {amount: 50}")
        .replace("subjects: [my_a_1]", "subjects: [swapped]")
        .replace("subjects: [my_b_1]", "subjects: [my_a_1]")
        .replace("subjects: [swapped]", "subjects: [my_b_1]")
    )
    account.converge()
    assert [account.value(f"my_{who}", "my_ai")["balance"] for who in "ab"] == [46, 20]
