"""Customers: who is billed, and whose usage counts for them. Through v1: free metadata, keys as any text.

A PUT replaces everything it is given, so every write sends the key and all subject keys, sorted (an active
subscription's check compares them in that order: openmeter/subscription/validators/customer/validator.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from billing_as_code.kinds import credits
from billing_as_code.kinds import fragments as f
from billing_as_code.kinds.base import (
    PAGE,
    SAFE,
    Absent,
    Context,
    Field,
    Kind,
    Listing,
    Look,
    Names,
    Sight,
    Sign,
    V1Listing,
)
from billing_as_code.kinds.looks import Answers, Cell, Facts, Table, View, amount, moment, times, word
from billing_as_code.model import NO_FACTS, Address, Change, Class, Find, Json, Read, Resource, State, Step, Value

PATH = ("api", "v1", "customers")
ADDRESS = ("country", "state", "city", "postal_code", "line1", "line2", "phone_number")
PROVISIONED = "customer.provisioner"
"""Who made a customer, where the hook customer.enableSubjectHook did (recording subjects_customer_hook)."""
_SUBSCRIPTION = "subscription"
SUBJECTS = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}


def _real_currency(code: Value) -> tuple[str, str] | None:
    return None if code in f.CURRENCIES else (f"{code} is no currency", "an ISO 4217 code such as USD or EUR")


def _usage_moves(before: Value, after: Value) -> Class:
    """A subject more or less changes whom usage counts for, in the past too."""
    return Class.BREAKING


def _having(name: str, value: str) -> Listing:
    return V1Listing("/api/v1/customers", (("orderBy", "id"), (name, value)))


class CustomerKind(Kind):
    """Changed by writing the whole customer; subject keys change hands in two steps."""

    def facts(self, item: Mapping[str, Any], names: Names) -> Mapping[str, Json]:
        facts: dict[str, Json] = {}
        if subscription := item.get("currentSubscriptionId"):
            facts[_SUBSCRIPTION] = subscription
        if (item.get("annotations") or {}).get("createdBy") == PROVISIONED:
            facts["provisioned"] = True
        return facts or NO_FACTS

    def signs(self, live: State) -> Iterable[Sign]:
        """The subject hook annotates the customers that it makes or renames; a PUT takes the annotation off."""
        of = tuple(r.address.path[0] for r in live.values() if r.address.kind == self.name and "provisioned" in r.facts)
        yield Sign("subject_hook" if of else "subject_hook_unseen", of)

    def alone(self, path: tuple[str, ...]) -> Read | None:
        return Read("itself", (*PATH, *path))

    def narrowed(self, by: str, ids: Mapping[str, str]) -> tuple[Listing, ...] | None:
        """By the part of a key, in any case (openmeter/customer/adapter/customer.go): more than is wanted, never
        less."""
        return tuple(_having("key", key) for key in ids) if by == self.name else None

    def rivals(self, change: Change) -> tuple[Listing, ...]:
        """Who has the names that it takes."""
        return tuple(_having("subject", name) for name in sorted(self.hands(change)[1]))

    def check_all(
        self, resources: Mapping[Address, Resource], desired: State
    ) -> Iterable[tuple[Address, str, str, str]]:
        """A name (key or subject key) belongs to one customer: OpenMeter checks it on some writes only, and then
        refuses every later write of the other (recording customers_usage_attribution)."""
        at = self.index["subjects"]
        holder: dict[str, Address] = {}
        for address, resource in resources.items():
            if resource.external:
                continue
            for subject in resource.spec[at]:
                if subject in holder:
                    yield (
                        address,
                        "subjects",
                        f"subject {subject!r} is also a subject of {holder[subject]}",
                        "a subject belongs to one customer",
                    )
                holder.setdefault(subject, address)
        for address in resources:
            owner = holder.get(address.path[0])
            if owner is not None and owner != address:
                yield (
                    owner,
                    "subjects",
                    f"subject {address.path[0]!r} is the key of {address}",
                    "usage would count for both",
                )

    def refuse(self, change: Change, context: Context) -> Iterable[str]:
        if change.before is None or change.after is None or _SUBSCRIPTION not in change.before.facts:
            return
        if any(field.path == "subjects" for field in change.fields):
            yield "has an active subscription, and OpenMeter changes no subjects while it runs. End that first"

    def refuse_all(self, changes: Mapping[Address, Change], context: Context) -> Iterable[tuple[Address, str]]:
        """A subject that is taken must have been let go of: OpenMeter answers 409 while another customer holds it."""
        wanted = {name: address for address, change in changes.items() for name in self.hands(change)[1]}
        for address, holder in context.live.items() if wanted else ():
            if address.kind != self.name:
                continue
            change = changes.get(address)
            # one that is external now keeps what it has
            keeps = change is None or (change.after is not None and change.after.external)
            freed = frozenset() if keeps or change is None else self.hands(change)[0]
            for subject in self.get(holder.spec, "subjects"):
                taker = wanted.get(subject, address)
                if taker != address and subject not in freed:
                    yield (
                        taker,
                        f"takes {subject!r}, a subject of {address}, which keeps it. Take it off that one first",
                    )

    def compile(self, change: Change, context: Context) -> Change:
        before, after = change.before, change.after
        own = (*PATH, before.id or "") if before is not None else ()
        match change.action:
            case "create":
                assert after is not None
                key = change.address.path[0]
                found = Find((*PATH, key), (("key", key),))
                body = self._body(after, context)
                if not self.get(after.spec, "subjects"):
                    del body["usageAttribution"]
                return replace(change, steps=(Step("POST", PATH, body, saves=str(change.address), find=found),))
            case "update" | "replace":
                assert after is not None and before is not None
                return self._update(change, before, after, own, context)
            case "delete":
                return replace(change, reads=(Read("now", own),), steps=(Step("DELETE", own, gone=True),))

    def _body(self, resource: Resource, context: Context) -> dict[str, Json]:
        body = {"key": resource.address.path[0], **self.to_wire(resource.spec)}
        body["usageAttribution"] = {"subjectKeys": list(self.get(resource.spec, "subjects"))}
        body["metadata"] = body.get("metadata", {}) | self.labels(resource, context)
        return body

    def _update(
        self, change: Change, before: Resource, after: Resource, own: tuple[str, ...], context: Context
    ) -> Change:
        body = self._body(after, context)
        steps: tuple[Step, ...] = (Step("PUT", own, body),)
        dropped = [n for n in ADDRESS if self._sub(before, n) is not None and self._sub(after, n) is None]
        if dropped and any(self._sub(after, n) is not None for n in ADDRESS):
            # a PUT keeps the sub-fields of an address that it does not name: first without the address, then with it
            bare = {k: v for k, v in body.items() if k != "billingAddress"}
            steps = (Step("PUT", own, bare), *steps)
        return replace(change, prepare=self._let_go(before, after, own, context), steps=steps)

    def _let_go(self, before: Resource, after: Resource, own: tuple[str, ...], context: Context) -> tuple[Step, ...]:
        """Every loser drops a subject key before anybody takes it; one that also takes does it in two steps."""
        had, has = set(self.get(before.spec, "subjects")), set(self.get(after.spec, "subjects"))
        lost, won = had - has, has - had
        if not lost or not won:
            return ()
        kept = before._replace(spec=self.with_(before.spec, {"subjects": tuple(sorted(had & has))}))
        body = self._body(kept._replace(external=after.external, protect=after.protect), context)
        return (Step("PUT", own, body),)

    def _sub(self, resource: Resource, name: str) -> Value:
        return self.get(resource.spec, f"billing_address.{name}")

    def makes(self, change: Change) -> Iterable[Address]:
        """The subjects that it names (openmeter/subject/service/hooks/customersubject.go)."""
        if change.after is None or change.after.external:
            return ()
        return [Address("subjects", (subject,)) for subject in self.get(change.after.spec, "subjects")]

    def beside(self, resource: Resource) -> Iterable[Address]:
        return [Address("subjects", (subject,)) for subject in self.get(resource.spec, "subjects")]

    def hands(self, change: Change) -> tuple[frozenset[str], frozenset[str]]:
        """The names that a change frees and the ones that it takes: they order customers among each other."""

        def names(resource: Resource | None) -> set[str]:
            if resource is None or resource.external:
                return set()
            return {resource.address.path[0], *self.get(resource.spec, "subjects")}

        had, has = names(change.before), names(change.after)
        return frozenset(had - has), frozenset(has - had)

    def looks(self, resource: Resource, sight: Sight) -> tuple[Look, ...]:
        own = (*PATH, resource.id or "")
        every = ("api", "v2", "customers", resource.id or "", "entitlements")
        reads = (Read("access", (*own, "access")), Read("entitlements", every, (("pageSize", PAGE),)))
        found = times(*own), Look("entitlements", "Entitlements now", reads, _access)
        subscription = resource.facts.get(_SUBSCRIPTION)
        if subscription is None:
            return found
        running = Read(_SUBSCRIPTION, ("api", "v1", "subscriptions", subscription))
        return *found, Look(_SUBSCRIPTION, "Subscription", (running,), _subscription)


def _subscription(answers: Answers) -> View:
    """The subscription that runs, of whatever plan; one made without a plan has none."""
    found = answers[_SUBSCRIPTION]
    plan, period = found.get("plan") or {}, (found.get("alignment") or {}).get("currentAlignedBillingPeriod") or {}
    return Facts(
        (
            ("id", word(found["id"])),
            ("name", word(found["name"])),
            ("status", word(found["status"])),
            ("plan", plan.get("key")),
            ("version", plan.get("version")),
            ("currency", word(found["currency"])),
            ("billing_cadence", word(found["billingCadence"])),
            ("active_from", moment(found["activeFrom"])),
            ("active_to", moment(found.get("activeTo"))),
            ("period_from", moment(period.get("from"))),
            ("period_to", moment(period.get("to"))),
        )
    )


def _access(answers: Answers) -> View:
    """What a customer may use: the list says what there is, the access what is left of it."""
    values, found = answers["access"]["entitlements"], answers["entitlements"]
    rows: list[tuple[Cell, ...]] = []
    for item in sorted(found["items"], key=lambda i: i["featureKey"]):
        value = values.get(item["featureKey"]) or {}
        numbers = tuple(amount(value, name) for name in ("usage", "balance", "overage"))
        end = moment((item.get("currentUsagePeriod") or {}).get("to"))
        config = credits.config(item["config"]) if item.get("config") is not None else None
        rows.append((word(item["featureKey"]), word(item["type"]), credits.has_access(value), *numbers, end, config))
    columns = ("feature", "type", "access", "usage", "balance", "overage", "period_to", "config")
    return Table(columns, tuple(rows), "It has no entitlement.", int(found["totalCount"]))


def _address_field(name: str, wire: str, **schema: Any) -> Field:
    return Field(
        f"billing_address.{name}",
        {**f.TEXT, **schema},
        f"billingAddress.{wire}",
        rank=SAFE,
        also=f"billing_address.{name}",
    )


CUSTOMERS = CustomerKind(
    name="customers",
    singular="customer",
    keys=("customer",),
    whom=0,
    key_schemas=(f.FREE_KEY,),
    listings=(V1Listing("/api/v1/customers", (("orderBy", "id"),)),),
    own_file=True,
    doc="Who is billed, and whose usage counts for them.",
    also_in="v3",
    fields=(
        Field("name", f.NAME, required=True, rank=SAFE, example="ACME Inc.", also="name"),
        Field("description", f.DESCRIPTION, rank=SAFE, example="Pilot since 2025", also="description"),
        Field(
            "subjects",
            SUBJECTS,
            "usageAttribution.subjectKeys",
            default=(),
            canonical=f.sorted_texts,
            write=list,
            rank=_usage_moves,
            doc="Whose events count for this customer, besides its own key.",
            example=["acme", "acme-staging"],
            also="usage_attribution.subject_keys",
        ),
        Field(
            "currency",
            {"type": "string", "pattern": "^[A-Z]{3}$"},
            absent=Absent.KEPT,
            check=_real_currency,
            doc="Can be changed, never cleared.",
            example="USD",
            also="currency",
        ),
        Field(
            "primary_email",
            f.TEXT,
            "primaryEmail",
            absent=Absent.KEPT,
            rank=SAFE,
            doc="Can be changed, never cleared.",
            example="billing@acme.example",
            also="primary_email",
        ),
        _address_field("country", "country", pattern="^[A-Z]{2}$"),
        _address_field("state", "state"),
        _address_field("city", "city"),
        _address_field("postal_code", "postalCode"),
        _address_field("line1", "line1"),
        _address_field("line2", "line2"),
        _address_field("phone_number", "phoneNumber"),
        Field(
            "metadata",
            f.METADATA,
            default={},
            canonical=f.text_map,
            rank=SAFE,
            doc="Free labels.",
            example={"crm_id": "42"},
            also="labels",
        ),
    ),
)
