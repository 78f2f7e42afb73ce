"""A catalog on an OpenMeter, embedded or real: planned, applied, changed, adopted, pruned, and left alone."""

from __future__ import annotations

from typing import Any

import pytest
from account import Account
from mortal import Killed

WHOLE = """
meters:
  my_tokens: {aggregation: sum, event_type: my_prompt, value_property: $.n, dimensions: {model: $.model}}
  my_calls: {aggregation: count, event_type: my_call}
features:
  my_ai: {name: AI, meter: my_tokens, filters: {model: {in: [large, small]}}, metadata: {tier: core}}
  my_seats: {name: Seats}
  my_sso: {}
customers:
  my_acme: {name: ACME, subjects: [my_s1, my_s2], currency: USD, metadata: {crm_id: "42"}}
  my_globex: {name: Globex}
entitlements:
  my_acme:
    my_ai: {type: metered, usage_period: {interval: month}, issue: {amount: 100}, metadata: {note: first one}}
    my_seats: {type: static, config: {max: 25}}
    my_sso: {type: boolean}
  my_globex:
    my_sso: {type: boolean}
grants:
  my_acme: {my_ai: {welcome: {amount: 5, effective_at: NOW, expiration: {duration: month, count: 3}}}}
"""


def whole(account: Account) -> str:
    """A catalog with the kinds that nothing but bac writes."""
    return WHOLE.replace("NOW", account.at(0))


def test_a_new_catalog_is_planned_applied_and_then_as_it_says(account: Account) -> None:
    account.write(whole(account))
    done = account.converge()
    assert {action for action, _ in done} == {"create"}
    assert len(done) == 12
    assert account.bac("plan").stdout.startswith("Nothing to do")
    assert account.bac("drift").stdout.startswith("No drift")


def test_an_apply_of_what_is_there_writes_nothing(account: Account) -> None:
    account.write(whole(account))
    account.converge()
    account.mortal.die_at(1, only_writes=True)
    assert account.apply()["done"] == []


def test_what_can_be_changed_in_place_is_changed_in_place(account: Account) -> None:
    account.write(
        """
        meters: {my_calls: {aggregation: count, event_type: my_call, name: Calls, dimensions: {a: $.a}}}
        features: {my_api: {meter: my_calls, unit_cost: {type: manual, amount: "0.10"}}}
        customers: {my_acme: {name: ACME, billing_address: {country: NO, city: Oslo}, metadata: {a: "1"}}}
        """
    )
    account.converge()
    ids = [account.api("GET", f"/api/v1/{path}")["id"] for path in ("meters/my_calls", "customers/my_acme")]
    account.write(
        """
        meters: {my_calls: {aggregation: count, event_type: my_call, description: All of them,
                            dimensions: {b: $.b}, metadata: {b: "2"}}}
        features: {my_api: {meter: my_calls, unit_cost: {type: manual, amount: "0.25"}}}
        customers: {my_acme: {name: ACME Inc., description: Robots, subjects: [my_s1], currency: EUR,
                              primary_email: billing@acme.example, billing_address: {country: DE}, metadata: {b: "2"}}}
        """
    )
    assert {action for action, _ in account.converge()} == {"update"}
    meter, customer = account.api("GET", "/api/v1/meters/my_calls"), account.api("GET", "/api/v1/customers/my_acme")
    assert [meter["id"], customer["id"]] == ids
    assert (meter["name"], meter["description"], meter["groupBy"], meter["metadata"]) == (
        "my_calls", "All of them", {"b": "$.b"}, {"b": "2", "bac.owner": account.owner},
    )  # fmt: skip
    assert (customer["name"], customer["description"], customer["currency"], customer["primaryEmail"]) == (
        "ACME Inc.", "Robots", "EUR", "billing@acme.example",
    )  # fmt: skip
    assert customer["usageAttribution"]["subjectKeys"] == ["my_s1"]
    assert {name: v for name, v in customer["billingAddress"].items() if v} == {"country": "DE"}
    assert customer["metadata"] == {"b": "2", "bac.owner": account.owner}
    assert feature(account, "my_api")["unit_cost"] == {"type": "manual", "amount": "0.25"}


def feature(account: Account, key: str) -> dict[str, Any]:
    (found,) = account.api("GET", "/api/v3/openmeter/features", **{"filter[key]": account.theirs(key)})["data"]
    return dict(found)


def test_a_declared_subject_is_changed_and_cleared(account: Account, declared_subjects: None) -> None:
    account.write("subjects: {my_s1: {display_name: One, stripe_customer_id: cus_1, metadata: {plan: {tier: 2}}}}")
    account.converge()
    account.write("subjects: {my_s1: {display_name: Two}}")
    account.converge()
    subject = account.api("GET", "/api/v1/subjects/my_s1")
    assert (subject["displayName"], subject.get("stripeCustomerId")) == ("Two", None)
    assert subject["metadata"] == {"bac.owner": account.owner}


def test_a_subject_that_its_customer_makes_is_declared_beside_it(account: Account, declared_subjects: None) -> None:
    account.write("""
        customers: {my_acme: {name: ACME, subjects: [my_s1]}}
        subjects: {my_s1: {display_name: One}}
    """)
    account.converge()
    assert account.api("GET", "/api/v1/subjects/my_s1")["displayName"] == "One"


# -- other hands ------------------------------------------------------------------------------------------------------


def test_what_somebody_changed_is_drift_and_is_mended(account: Account) -> None:
    account.write("customers: {my_acme: {name: ACME, subjects: [my_s1]}}")
    account.converge()
    label = {"bac.owner": account.owner}
    account.api("PUT", "/api/v1/customers/my_acme", {"key": "my_acme", "name": "Changed", "metadata": label})
    told = account.ours(account.bac("drift", code=2).stdout)
    assert "customers.my_acme" in told
    assert "Changed" in told
    account.converge()
    assert account.api("GET", "/api/v1/customers/my_acme")["usageAttribution"] == {"subjectKeys": ["my_s1"]}
    account.bac("drift")


def test_what_nobody_owns_is_adopted_and_its_ids_stay(account: Account) -> None:
    meter = {"slug": "my_calls", "name": "Calls", "eventType": "my_call", "aggregation": "COUNT"}
    meter_id = account.api("POST", "/api/v1/meters", {**meter, "metadata": {"team": "core"}})["id"]
    customer_id = account.api("POST", "/api/v1/customers", {"key": "my_acme", "name": "ACME"})["id"]
    feature_id = account.api("POST", "/api/v1/features", {"key": "my_sso", "name": "SSO"})["id"]
    account.write("""
        meters: {my_calls: {aggregation: count, event_type: my_call, name: Calls, metadata: {team: core}}}
        customers: {my_acme: {name: ACME}}
        features: {my_sso: {name: SSO}}
    """)
    assert account.converge() == [("update", "customers.my_acme"), ("update", "meters.my_calls")]
    found = account.api("GET", "/api/v1/meters/my_calls")
    assert (found["id"], found["metadata"]) == (meter_id, {"team": "core", "bac.owner": account.owner})
    assert account.api("GET", "/api/v1/customers/my_acme")["id"] == customer_id

    account.write("meters: {}")
    assert account.converge() == [("delete", "customers.my_acme"), ("delete", "meters.my_calls")]
    assert feature(account, "my_sso")["id"] == feature_id, "what has no label of ours is not ours to prune"


def test_what_left_the_catalog_is_deleted_and_what_is_not_ours_stays(account: Account) -> None:
    account.api("POST", "/api/v1/customers", {"key": "my_other", "name": "Other"})
    label = {"bac.owner": "somebody-else"}
    account.api("POST", "/api/v1/features", {"key": "my_theirs", "name": "Theirs", "metadata": label})
    account.write(whole(account))
    account.converge()
    account.api("POST", "/api/v2/customers/my_other/entitlements", {"type": "boolean", "featureKey": "my_theirs"})
    account.write("customers: {my_globex: {name: Globex}}")
    done = account.converge()
    assert {action for action, _ in done} == {"delete"}
    # a grant goes with its entitlement
    assert len(done) == 10
    assert account.api("GET", "/api/v1/customers/my_other")["name"] == "Other"
    assert account.value("my_other", "my_theirs")["hasAccess"] is True


def test_what_belongs_to_another_owner_is_an_error_that_names_it(account: Account) -> None:
    label = {"bac.owner": "somebody-else"}
    account.api("POST", "/api/v1/customers", {"key": "my_acme", "name": "ACME", "metadata": label})
    account.write("customers: {my_acme: {name: Mine}}")
    told = account.bac("plan", code=1).stderr
    assert "customers.my_acme: belongs to somebody-else" in account.ours(told)


def test_what_is_external_is_used_and_never_changed(account: Account) -> None:
    account.write("""
        customers: {my_acme: {external: true}}
        features: {my_sso: {}}
        entitlements: {my_acme: {my_sso: {type: boolean}}}
    """)
    assert "customers.my_acme: is declared external" in account.ours(account.bac("plan", code=1).stderr)
    made = account.api("POST", "/api/v1/customers", {"key": "my_acme", "name": "ACME", "metadata": {"a": "1"}})
    account.converge()
    found = account.api("GET", "/api/v1/customers/my_acme")
    assert (found["id"], found["name"], found["metadata"]) == (made["id"], "ACME", {"a": "1"})
    assert account.value("my_acme", "my_sso")["hasAccess"] is True


def test_what_others_write_is_ignored_and_outlives_every_change(account: Account) -> None:
    account.configure(ignore=["customers.*.metadata.crm_*"])
    account.write("customers: {my_acme: {name: ACME, metadata: {a: '1'}}}")
    account.converge()
    metadata = {"a": "1", "crm_id": "42", "bac.owner": account.owner}
    account.api("PUT", "/api/v1/customers/my_acme", {"key": "my_acme", "name": "ACME", "metadata": metadata})
    assert account.pending() == []
    account.write("customers: {my_acme: {name: ACME Inc.}}")
    account.converge()
    found = account.api("GET", "/api/v1/customers/my_acme")["metadata"]
    assert found == {"crm_id": "42", "bac.owner": account.owner}


# -- what is not done -------------------------------------------------------------------------------------------------


def test_a_held_difference_is_shown_and_is_no_drift_until_a_replace_is_asked_for(account: Account) -> None:
    account.write("features: {my_sso: {name: SSO}}")
    account.converge()
    was = feature(account, "my_sso")["id"]
    account.write("features: {my_sso: {name: Single sign-on}}")
    plan = account.plan()["plan"]
    assert (plan["changes"], [h["address"] for h in plan["held"]]) == ([], ["features.my_sso"])
    account.bac("drift")
    assert account.converge("--replace", "features.my_sso") == [("replace", "features.my_sso")]
    assert feature(account, "my_sso")["name"] == "Single sign-on"
    assert feature(account, "my_sso")["id"] != was


def test_what_is_protected_is_not_deleted(account: Account) -> None:
    account.write("customers: {my_acme: {name: ACME, protect: true}}")
    account.converge()
    account.write("customers: {}")
    told = account.ours(account.bac("apply", "--yes", "--allow-breaking", code=5).stderr)
    assert "customers.my_acme: is protected, and left the catalog" in told
    account.write("customers: {my_acme: {name: ACME}}")
    account.converge()
    account.write("customers: {}")
    account.converge()


def test_a_plan_that_something_has_changed_under_is_refused_and_writes_nothing(account: Account) -> None:
    account.write("customers: {my_acme: {name: ACME}, my_globex: {name: Globex}}")
    account.converge()
    account.write("customers: {my_acme: {name: ACME Inc.}, my_globex: {name: Globex Inc.}}")
    account.bac("plan", "--out", "plan.json")
    body = {"key": "my_acme", "name": "Changed", "metadata": {"bac.owner": account.owner}}
    account.api("PUT", "/api/v1/customers/my_acme", body)
    told = account.ours(account.bac("apply", "plan.json", "--yes", code=4).stderr)
    assert "customers.my_acme" in told
    assert "customers.my_globex" not in told
    assert account.api("GET", "/api/v1/customers/my_globex")["name"] == "Globex"


@pytest.mark.parametrize("is_sent", [False, True], ids=["before it is sent", "after it is sent"])
@pytest.mark.parametrize("nth", [1, 4, 8])
def test_an_apply_that_was_killed_is_finished_and_makes_nothing_twice(
    account: Account, nth: int, is_sent: bool
) -> None:
    account.write(whole(account))
    account.mortal.die_at(nth, is_sent=is_sent, only_writes=True)
    with pytest.raises(Killed):
        account.apply()
    account.mortal.live_on()
    account.bac("apply", "--yes", code=5)  # an unfinished run stands in the way
    account.bac("apply", "--resume")
    assert account.pending() == []
    assert len(account.grants("my_acme", "my_ai")) == 1


# -- subjects that change hands ---------------------------------------------------------------------------------------


def test_subjects_are_swapped_between_customers(account: Account) -> None:
    account.write("customers: {my_a: {name: A, subjects: [my_s1, my_s3]}, my_b: {name: B, subjects: [my_s2]}}")
    account.converge()
    account.write("customers: {my_a: {name: A, subjects: [my_s2]}, my_b: {name: B, subjects: [my_s1, my_s3]}}")
    account.converge()
    held = [account.api("GET", f"/api/v1/customers/{key}")["usageAttribution"] for key in ("my_a", "my_b")]
    assert held == [{"subjectKeys": ["my_s2"]}, {"subjectKeys": ["my_s1", "my_s3"]}]


# -- booleans ---------------------------------------------------------------------------------------------------------


def test_a_boolean_is_known_as_ours_though_v2_hides_its_labels(account: Account) -> None:
    account.write("features: {my_sso: {}, my_audit: {}}\ncustomers: {my_acme: {name: ACME}}")
    account.converge()
    account.api("POST", "/api/v2/customers/my_acme/entitlements", {"type": "boolean", "featureKey": "my_audit"})
    account.write("""
        features: {my_sso: {}, my_audit: {}}
        customers: {my_acme: {name: ACME}}
        entitlements: {my_acme: {my_sso: {type: boolean, metadata: {note: "ours"}}}}
    """)
    assert account.converge() == [("create", "entitlements.my_acme.my_sso")]
    found = account.entitlement("my_acme", "my_sso")
    labels = account.api("GET", f"/api/v1/entitlements/{found['id']}")["metadata"]
    assert labels == {"note": "ours", "bac.owner": account.owner}

    account.write("features: {my_sso: {}, my_audit: {}}\ncustomers: {my_acme: {name: ACME}}")
    assert account.converge() == [("delete", "entitlements.my_acme.my_sso")]
    assert account.value("my_acme", "my_audit")["hasAccess"] is True
    assert account.value("my_acme", "my_sso")["hasAccess"] is None


# -- pull -------------------------------------------------------------------------------------------------------------

OURS = tuple(
    flag
    for section, names in (
        ("meters", ("my_tokens", "my_calls")),
        ("features", ("my_ai", "my_seats", "my_sso")),
        ("customers", ("my_acme", "my_globex")),
        ("entitlements", ("my_acme", "my_globex")),
        ("grants", ("my_acme",)),
    )
    for name in names
    for flag in ("--only", f"{section}.{name}")
)
"""The account has other things too, that others made."""


@pytest.mark.parametrize("layout", ["section", "customer"])
def test_what_is_live_is_pulled_and_its_plan_is_empty(account: Account, layout: str) -> None:
    account.write(whole(account))
    account.converge()
    (account.root / "catalog" / "all.yaml").unlink()
    account.bac("pull", "--layout", layout, *OURS)
    assert account.bac("plan").stdout.startswith("Nothing to do")
    assert len(account.bac("list", "--owned").stdout.splitlines()) > 12


def test_what_another_hand_changed_is_pulled_into_the_place_where_it_stands(account: Account) -> None:
    catalog = """
        # what we sell
        meters: {my_calls: {aggregation: count, event_type: my_call}}
        customers:
          my_acme: # the first one
            name: ACME # to be renamed
    """
    account.write(catalog)
    account.converge()
    found = account.api("GET", "/api/v1/customers/my_acme")
    account.api(
        "PUT", "/api/v1/customers/my_acme", {k: found[k] for k in ("key", "metadata")} | {"name": "ACME Robotics"}
    )
    account.bac("pull", "--only", "customers.my_acme")
    written = (account.root / "catalog" / "all.yaml").read_text()
    assert account.ours(written) == catalog.replace("name: ACME #", "name: ACME Robotics #")
    assert account.pending() == []
