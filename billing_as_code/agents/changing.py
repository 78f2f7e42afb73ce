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
from billing_as_code.agents.carrying import Carrying, Edit, edit
from billing_as_code.agents.failures import Failure
from billing_as_code.agents.shapes import Amount, CustomerKey, Labels, Onto, Slug, Why
from billing_as_code.kinds import KINDS
from billing_as_code.kinds.base import BadValue
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.entitlements import ENTITLEMENTS
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.meters import METERS
from billing_as_code.kinds.subjects import SUBJECTS
from billing_as_code.model import Address, Json, Resource


class Changing(Carrying):
    """What changes what a catalog declares."""

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
            edits.append(edit(address, kept | subject.model_dump(exclude={"key"}, exclude_none=True)))
        return self.carry("upsert_subjects", session, edits, onto, why)

    def delete_subject(
        self,
        key: Annotated[
            str, Field(min_length=1, max_length=256, description="The subject's key.", examples=["cust_99"])
        ],
        onto: Onto = None,
        why: Why = "",
    ) -> shapes.Applied:
        """Delete a subject in OpenMeter, and take it out of the catalog where that declares it. By default this is a
        proposal, which a person must approve; the same call after that does it.

        The review says where nobody owns it. OpenMeter keeps its usage events, which go on counting, and a customer
        that names it keeps the key among its subjects; end that by an edit of the customer.
        """
        session, address = self._desk.session(), Address(SUBJECTS.name, (key,))
        there = self.standing(session, address)
        if there is None and onto is None:
            return self.nothing(session, "There is no such subject, in the catalog or in OpenMeter.")
        if there is not None and there.ownership in ("foreign", "external"):
            whose = f"is another catalog's ({there.have.owner})" if there.have and there.have.owner else "is external"
            raise Failure(
                "not_managed",
                f"The subject {whose}: it is another hand's to delete.",
                "Tell the user, who can ask whoever manages it.",
            )
        return self.carry("delete_subject", session, [edit(address, None)], onto, why)

    # -- common to those that create -----------------------------------------------------------------------------------

    def _create(
        self, tool: str, address: Address, spec: dict[str, Json], needs: Iterable[Address], onto: str | None, why: str
    ) -> shapes.Applied:
        session = self._desk.session()
        there = self.standing(session, address)
        if there is not None and there.want is not None and not _says(there.want, spec):
            raise Failure(
                "already_exists",
                f"{address} is in the catalog already, and says something else.",
                "get_resource shows it. To change it, plan_changes with an edit that holds the whole resource.",
            )
        pending = self.pending(session, onto)
        edits = [e for need in needs if str(need) not in pending for e in self.needed(session, need)]
        return self.carry(tool, session, [*edits, edit(address, spec)], onto, why)


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
