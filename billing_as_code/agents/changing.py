"""Tools by the names that users know, which change what a catalog holds: each is a proposal of its own.

Under the rule `propose` a call answers approval_required with the proposal, and the same call after a person's approval
carries it out, once. Under `allow` it is carried out at once where it is neither breaking nor beyond the limits of
bac.yaml; what is waits for an approval all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from billing_as_code import service
from billing_as_code.agents import shapes
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.planning import answered, applied, following, outcome, propose
from billing_as_code.agents.shapes import Amount, CustomerKey, Labels, Onto, Slug, Why
from billing_as_code.agents.tools import SCOPES, Desk, refuse_without
from billing_as_code.errors import Refused, UsageError
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import BadValue
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.entitlements import ENTITLEMENTS
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.meters import METERS
from billing_as_code.kinds.subjects import SUBJECTS
from billing_as_code.model import Address, Json, Resource
from billing_as_code.service import Proposal, Session
from billing_as_code.standing import Standing

Edit = dict[str, Json]


class Changing:
    """Proposals of one thing each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def create_customer(
        self,
        key: CustomerKey,
        name: Annotated[
            str, Field(min_length=1, max_length=256, description="What people see.", examples=["ACME Inc."])
        ],
        description: Annotated[str | None, Field(max_length=1024, description="A note on it.")] = None,
        subjects: Annotated[
            list[Annotated[str, Field(min_length=1, max_length=256)]] | None,
            Field(
                max_length=100,
                description="Subjects whose usage events count for it, besides its own key.",
                examples=[["acme", "acme-staging"]],
            ),
        ] = None,
        currency: Annotated[str | None, Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["USD"])] = None,
        primary_email: Annotated[str | None, Field(max_length=256, description="Where invoices go.")] = None,
        metadata: Labels = None,
        onto: Onto = None,
        why: Why = "",
    ) -> shapes.Applied:
        """Create a customer, in the catalog and in OpenMeter. By default this is a proposal, which a person must
        approve; the same call after that does it.

        To onboard somebody in one review, give the digest that this answers as `onto` to create_entitlement.
        """
        spec = _given(
            name=name,
            description=description,
            subjects=subjects,
            currency=currency,
            primary_email=primary_email,
            metadata=metadata,
        )
        return self._create("create_customer", Address(CUSTOMERS.name, (key,)), spec, (), onto, why)

    def create_feature(
        self,
        key: Annotated[Slug, Field(description="The feature's key.", examples=["img_gen"])],
        name: Annotated[
            str | None, Field(min_length=1, max_length=256, description="What people see; else the key.")
        ] = None,
        meter: Annotated[
            Slug | None,
            Field(
                description="The key (slug) of the meter that measures it; none for on/off.", examples=["images_total"]
            ),
        ] = None,
        description: Annotated[str | None, Field(max_length=1024, description="A note on it.")] = None,
        unit_cost: Annotated[
            Amount | None,
            Field(description="What one unit costs us, as decimal text, in the currency of the account."),
        ] = None,
        metadata: Labels = None,
        onto: Onto = None,
        why: Why = "",
    ) -> shapes.Applied:
        """Create a feature, in the catalog and in OpenMeter. By default this is a proposal, which a person must
        approve; the same call after that does it.

        The meter must exist. Its key, name and meter cannot be changed later without replacing the feature.
        """
        cost = {"type": "manual", "amount": unit_cost} if unit_cost is not None else None
        spec = _given(name=name, meter=meter, description=description, unit_cost=cost, metadata=metadata)
        needs = [Address(METERS.name, (meter,))] if meter is not None else []
        return self._create("create_feature", Address(FEATURES.name, (key,)), spec, needs, onto, why)

    def create_entitlement(
        self,
        customer: CustomerKey,
        feature: Annotated[Slug, Field(description="The feature's key.", examples=["ai_tokens"])],
        type: Annotated[
            Literal["metered", "static", "boolean"],
            Field(description="metered: a limit on usage; static: a value; boolean: access alone."),
        ],
        amount: Annotated[
            Amount | None, Field(description="Metered: what is issued in each usage period, in the meter's unit.")
        ] = None,
        interval: Annotated[
            Literal["day", "week", "month", "year"] | None, Field(description="Metered: the usage period; else month.")
        ] = None,
        is_soft_limit: Annotated[
            bool | None, Field(description="Metered: usage beyond what is granted is counted, and access stays.")
        ] = None,
        config: Annotated[
            dict[str, Any] | None, Field(description="Static: the value.", examples=[{"max": 25}])
        ] = None,
        metadata: Labels = None,
        onto: Onto = None,
        why: Why = "",
    ) -> shapes.Applied:
        """Give a customer access to a feature, in the catalog and in OpenMeter. By default this is a proposal, which a
        person must approve; the same call after that does it.

        Customer and feature must exist, or be in the proposal that `onto` names. A customer that lives in OpenMeter
        alone enters the catalog as external: referred to, never changed.
        """
        metered = type == "metered"
        spec = _given(
            type=type,
            usage_period={"interval": interval or "month"} if metered or interval is not None else None,
            issue={"amount": amount} if amount is not None else None,
            is_soft_limit=is_soft_limit,
            config=config,
            metadata=metadata,
        )
        needs = [Address(CUSTOMERS.name, (customer,)), Address(FEATURES.name, (feature,))]
        address = Address(ENTITLEMENTS.name, (customer, feature))
        return self._create("create_entitlement", address, spec, needs, onto, why)

    def upsert_subjects(
        self,
        subjects: Annotated[list[shapes.SubjectInput], Field(min_length=1, max_length=50, description="The subjects.")],
        onto: Onto = None,
        why: Why = "",
    ) -> shapes.Applied:
        """Declare subjects, or change those that are declared: display name, Stripe customer, metadata. By default this
        is a proposal, which a person must approve; the same call after that does it.

        Only subjects with such data need it: OpenMeter makes the others by itself.
        """
        session = self._desk.session()
        known = {s.address: s for s in service.listing(session, SUBJECTS.name)}
        edits: list[Edit] = []
        for subject in subjects:
            address = Address(SUBJECTS.name, (subject.key,))
            there = known.get(address)
            kept = _said(there.want) if there is not None and there.want is not None else {}
            edits.append(_edit(address, kept | subject.model_dump(exclude={"key"}, exclude_none=True)))
        return self._carry("upsert_subjects", session, edits, onto, why)

    def delete_subject(
        self,
        key: Annotated[
            str, Field(min_length=1, max_length=256, description="The subject's key.", examples=["cust_99"])
        ],
        onto: Onto = None,
        why: Why = "",
    ) -> shapes.Applied:
        """Take a subject out of the catalog and delete it in OpenMeter. By default this is a proposal, which a person
        must approve; the same call after that does it.

        OpenMeter keeps its usage events, which go on counting, and a customer that names it keeps the key among its
        subjects; end that by an edit of the customer.
        """
        session, address = self._desk.session(), Address(SUBJECTS.name, (key,))
        there = self._standing(session, address)
        if there is None:
            if onto is None:
                return self._nothing(session, "There is no such subject, in the catalog or in OpenMeter.")
        elif there.want is None:
            raise Failure(
                "not_managed",
                "The catalog does not declare this subject, and only what it declares is deleted.",
                "Declare it first with upsert_subjects, or tell the user to delete it in OpenMeter.",
            )
        return self._carry("delete_subject", session, [_edit(address, None)], onto, why)

    # -- common to all -------------------------------------------------------------------------------------------------

    def _create(
        self, tool: str, address: Address, spec: dict[str, Json], needs: Iterable[Address], onto: str | None, why: str
    ) -> shapes.Applied:
        session = self._desk.session()
        there = self._standing(session, address)
        if there is not None and there.want is not None and not _says(there.want, spec):
            raise Failure(
                "already_exists",
                f"{address} is in the catalog already, and says something else.",
                "get_resource shows it. To change it, plan_changes with an edit that holds the whole resource.",
            )
        pending = {edit.address for edit in service.proposal(session, onto).plan.edits} if onto is not None else set()
        edits = [e for need in needs if str(need) not in pending for e in self._needed(session, need)]
        return self._carry(tool, session, [*edits, _edit(address, spec)], onto, why)

    def _needed(self, session: Session, address: Address) -> list[Edit]:
        """The edits without which a reference leads nowhere. Raises Failure where there is no such thing."""
        there = self._standing(session, address)
        if there is not None:
            return [] if there.want is not None else [_edit(address, {"external": True})]
        for proposal in service.proposals(session):
            if proposal.state == "open" and any(edit.address == str(address) for edit in proposal.plan.edits):
                raise Failure(
                    "reference_pending",
                    f"{address} is only proposed yet.",
                    f"Call again with onto {proposal.digest}: then both are one review.",
                    digest=proposal.digest,
                )
        raise Failure(
            "not_found",
            f"There is no {address}, in the catalog or in OpenMeter.",
            f"list_resources with section {address.kind} shows what there is. To make it, plan_changes with an edit.",
        )

    def _standing(self, session: Session, address: Address) -> Standing | None:
        found = service.listing(session, str(address))
        return next((standing for standing in found if standing.address == address), None)

    def _carry(self, tool: str, session: Session, edits: list[Edit], onto: str | None, why: str) -> shapes.Applied:
        """Propose edits; carry them out where a person approved just that, or the policy lets it be done at once."""
        proposal = propose(self._desk, session, edits, onto=onto, why=why, alone=True)
        if not proposal.plan.changes:
            return self._nothing(session, "It is so already.", proposal.digest)
        if proposal.state == "approved":
            refuse_without(SCOPES["allow"])
            return applied(self._desk, session, proposal.digest)
        if self._desk.policy.rule(tool) == "allow" and proposal.state == "open":
            return self._at_once(session, proposal)
        raise self._required(session, proposal)

    def _at_once(self, session: Session, proposal: Proposal) -> shapes.Applied:
        try:
            service.check(session, proposal.plan)
        except (Refused, UsageError) as refused:
            raise self._required(session, proposal, f" {refused}") from refused
        for _ in service.apply(session, proposal.plan):
            pass
        return outcome(self._desk, session, proposal.digest)

    def _required(self, session: Session, proposal: Proposal, reason: str = "") -> Failure:
        told = answered(session, proposal, self._desk, limit=10).model_dump(mode="json")
        return Failure(
            "approval_required",
            f"Nothing was changed. It is a proposal now, which a person must approve.{reason}",
            f"{following(proposal)} Or make the same call again, once it is approved.",
            **{name: told.get(name) for name in ("digest", "environment", "severity", "counts", "changes")},
            **{name: told.get(name) for name in ("proposal", "patch")},
        )

    def _nothing(self, session: Session, why: str, digest: str = "") -> shapes.Applied:
        return shapes.Applied(
            status="nothing_to_do",
            digest=digest,
            done=[],
            total_done=0,
            environment=self._desk.environment,
            notes=[why],
        )


def _edit(address: Address, spec: dict[str, Json] | None) -> Edit:
    return {"address": str(address), "spec": spec}


def _given(**fields: Json) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value is not None}


def _says(resource: Resource, spec: dict[str, Json]) -> bool:
    """Whether the catalog says just that of a resource."""
    if resource.external:
        return False
    try:
        return resource.spec == KINDS[resource.address.kind].canonical(resource.address.path, spec)
    except BadValue:
        return False


def _said(resource: Resource) -> dict[str, Json]:
    """What the catalog says of a resource, as its files would."""
    kind = KINDS[resource.address.kind]
    said: dict[str, Json] = {}
    for field, value in zip(kind.fields, resource.spec, strict=False):
        if value is not None and not resource.external:
            said[field.name] = json.loads(value) if field.opaque else value
    return said
