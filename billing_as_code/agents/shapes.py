"""What tools take and answer with: the schemas that an agent reads. Every field says what it is, and in which unit."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from billing_as_code.agents.tools import Answer

# -- arguments --------------------------------------------------------------------------------------------------------

CustomerKey: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=256, description="The customer's key.", examples=["acme-corp-001"]),
]
Slug: TypeAlias = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+(?:_[a-z0-9]+)*$")]
Time: TypeAlias = Annotated[
    str,
    Field(
        max_length=40,
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$",
        examples=["2026-11-01T00:00:00Z"],
    ),
]
Cursor: TypeAlias = Annotated[
    int,
    Field(ge=0, le=10_000_000, description="Where to go on: next_cursor of the answer before. 0 is the beginning."),
]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=100, description="The most to answer with at once.")]
KindName: TypeAlias = Annotated[
    str, Field(max_length=40, description="A section of the catalog.", examples=["meters", "entitlements"])
]
AddressText: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=700,
        description="Section and keys, joined by dots; a key with anything but letters, digits and _@+- in double "
        "quotes. A key alone works where it names one thing.",
        examples=["features.ai_tokens", "entitlements.acme.ai_tokens", 'customers."acme.com"'],
    ),
]
Digest: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^(sha256:)?[0-9a-f]{64}$",
        description="The digest of a proposal: 64 hexadecimal digits.",
    ),
]
Onto: TypeAlias = Annotated[
    str | None,
    Field(
        pattern=r"^(sha256:)?[0-9a-f]{64}$",
        description="The digest of an open proposal: the new one holds both, and takes its place, so that several "
        "steps are one review.",
    ),
]
Why: TypeAlias = Annotated[
    str,
    Field(max_length=2000, description="Why, for the person who reviews it.", examples=["agreed with sales on Monday"]),
]
Labels: TypeAlias = Annotated[
    dict[str, Annotated[str, Field(max_length=256)]] | None,
    Field(max_length=50, description="Free labels.", examples=[{"crm_id": "42"}]),
]
Amount: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(0|[1-9]\d{0,17})(\.\d{1,12})?$", description="An amount, as decimal text.", examples=["1000000"]),
]
Number: TypeAlias = int | float

# -- customers --------------------------------------------------------------------------------------------------------


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BillingAddress(_Shape):
    """A postal address; what is not known is null."""

    country: str | None = Field(None, description="ISO 3166-1 alpha-2, such as US.")
    state: str | None = None
    city: str | None = None
    postal_code: str | None = None
    line1: str | None = None
    line2: str | None = None
    phone_number: str | None = None


class Subscription(_Shape):
    """The subscription that runs."""

    id: str
    name: str
    status: str = Field(description="active, canceled (until its end), scheduled or inactive.")
    plan: str | None = Field(description="The pricing plan's key; null for one made without a plan.")
    version: int | None = Field(description="The pricing plan's version.")
    currency: str
    billing_cadence: str = Field(description="ISO 8601 duration, such as P1M.")
    active_from: str
    active_to: str | None
    period_from: str | None = Field(description="The start of the current billing period.")
    period_to: str | None


class Holding(_Shape):
    """One entitlement of a customer, as it stands now."""

    feature: str = Field(description="The feature's key.")
    type: str = Field(description="metered, static or boolean.")
    access: bool = Field(description="Whether the customer may use the feature now.")
    usage: Number | None = Field(description="Metered: used in this usage period, in the meter's unit.")
    balance: Number | None = Field(description="Metered: what is left of all grants, in the meter's unit.")
    overage: Number | None = Field(description="Metered: used beyond what was granted, in the meter's unit.")
    period_to: str | None = Field(description="Metered: when usage and issued amount start anew.")
    config: Any = Field(description="Static: the value, any JSON.")


class Customer(Answer):
    """A customer with all that concerns access and usage now. Names, labels and config are data that others wrote."""

    key: str
    id: str
    name: str
    description: str | None
    subjects: list[str] = Field(description="Subjects whose usage events count for it, besides its own key.")
    currency: str | None = Field(description="ISO 4217.")
    primary_email: str | None
    billing_address: BillingAddress
    metadata: dict[str, str]
    owner: str | None = Field(description="Whose catalog manages it: the owner label, null for nobody's.")
    managed_here: bool = Field(description="Whether that is this catalog.")
    created: str | None
    updated: str | None
    subscription: Subscription | None
    entitlements: list[Holding]
    entitlements_total: int
    next_cursor: int | None = Field(description="More entitlements: call again with this cursor. Null at the end.")


class Access(Answer):
    """Whether a customer may use a feature now."""

    customer: str
    feature: str
    entitled: bool = Field(description="Whether there is an entitlement at all.")
    access: bool
    usage: Number | None = Field(description="Metered: used in this usage period, in the meter's unit.")
    balance: Number | None = Field(description="Metered: what is left, in the meter's unit.")
    overage: Number | None = Field(description="Metered: used beyond what was granted, in the meter's unit.")
    config: Any = Field(description="Static: the value, any JSON.")


# -- resources --------------------------------------------------------------------------------------------------------


class Listed(_Shape):
    """One address: whose it is, and what the next apply does with it."""

    address: str
    ownership: str = Field(
        description="owned (this catalog's label), unowned (in the catalog and live, no label), missing (in the "
        "catalog alone), unmanaged (live alone, no label), foreign (another owner's), external (declared so), managed "
        "(by a subscription)."
    )
    difference: str | None = Field(
        description="What the next apply does: create, update, replace, delete; held (waits for a replace), over "
        "(has ended), refused (makes no plan). Null where catalog and live agree."
    )
    id: str | None
    owner: str | None
    summary: str


class Resources(Answer):
    """Some of what is in the catalog and in OpenMeter."""

    resources: list[Listed]
    total: int
    next_cursor: int | None = Field(description="More: call again with this cursor. Null at the end.")


class FieldValue(_Shape):
    """One field of a resource on both sides."""

    field: str
    catalog: Any = Field(description="What the catalog says.")
    live: Any = Field(description="What OpenMeter has.")
    notes: list[str] = Field(
        description="differs, held (waits for a replace), ignored (another hand writes it), kept (cannot be cleared), "
        "moment (set at creation), fixed (a change replaces the resource)."
    )


class LookAnswer(_Shape):
    """What can be seen of a resource beyond its fields: one table, series or set of facts."""

    name: str
    title: str
    facts: dict[str, Any] | None = Field(description="Names and values.")
    rows: list[dict[str, Any]] | None = Field(description="Rows of a table, or windows of a series.")
    total_rows: int | None
    next_cursor: int | None = Field(description="More rows: call again with `look` and this cursor. Null at the end.")
    error: str | None = Field(description="Why it could not be read.")


class Resource(Answer):
    """One resource: how it stands, both sides of each field, and what can be seen of it."""

    address: str
    ownership: str
    difference: str | None
    error: str | None = Field(description="Why it makes no plan.")
    place: str | None = Field(description="Where the catalog declares it: file:line:column.")
    id: str | None
    owner: str | None
    managed_by: str | None
    fields: list[FieldValue]
    looks: list[LookAnswer]
    also: list[str] = Field(description="Other addresses that the same key names.")


class KindField(_Shape):
    """One field of a section."""

    name: str
    type: str
    required: bool
    default: str | None = Field(description="What holds where it is left out.")
    change: Literal["in place", "replaces", "waits"] = Field(
        description="What a change of it does: in place; replaces the resource; or waits for a replace (cosmetic)."
    )
    only_where: str | None
    refers_to: str | None = Field(description="The section whose keys it takes.")
    description: str
    example: Any


class Kind(Answer):
    """What a section of the catalog takes."""

    kind: str
    address: str = Field(description="The form of an address.")
    description: str
    fields: list[KindField]
    json_schema: dict[str, Any] = Field(description="The JSON Schema of one resource.")


class Kinds(_Shape):
    """A section in a line."""

    kind: str
    address: str
    description: str


# -- usage ------------------------------------------------------------------------------------------------------------


class UsageRow(_Shape):
    """An amount of usage, in the meter's unit."""

    start: str
    end: str
    value: Number
    groups: dict[str, str | None] = Field(description="The values of what was grouped by.")


class UsageAnswer(Answer):
    """What a meter counted: rows by time, then the largest first."""

    meter: str
    rows: list[UsageRow]
    total_rows: int
    next_cursor: int | None = Field(description="More rows: call again with this cursor. Null at the end.")


class Ingested(Answer):
    """What became of a usage event."""

    id: str = Field(description="The event's id. OpenMeter takes an id of one source once.")
    source: str
    time: str = Field(description="The time that usage counts at.")
    sent: bool = Field(description="False where the same event had been accepted before: it counts once.")
    warnings: list[str] = Field(description="Why it may not be counted, or not for anybody.")


class Checkout(Answer):
    """A page on which a customer leaves a means of payment."""

    customer: str
    session_id: str
    url: str | None = Field(description="The page, for the customer's browser.")
    expires_at: str | None
    status: str | None


# -- plans ------------------------------------------------------------------------------------------------------------


class FieldDiff(_Shape):
    """One field that changes, as people read it."""

    field: str
    before: str
    after: str
    severity: str


class PlannedChange(_Shape):
    """What would happen to one resource."""

    address: str
    action: Literal["create", "update", "replace", "delete"]
    severity: str = Field(
        description="safe, commercial (price, included amount up) or breaking (access or amount down)."
    )
    fields: list[FieldDiff]
    values: list[str] = Field(description="For a create: what it says besides defaults.")
    why: list[str] = Field(description="Reasons, what is lost, what to know.")


class Counts(_Shape):
    """Changes by what they do, and by how much they matter."""

    create: int
    update: int
    replace: int
    delete: int
    safe: int
    commercial: int
    breaking: int


class Proposed(_Shape):
    """A plan that waits for a person's decision."""

    state: str = Field(
        description="open (nobody has decided), approved, rejected, lapsed (its approval is over), expired (nobody "
        "decided in time), superseded (part of another), applying, applied or partly (applied)."
    )
    proposed_by: str
    why: str = Field(description="The proposer's own words.")
    waits_until: str
    superseded_by: str | None
    branch: str | None = Field(description="The git branch that holds it for a pull request.")
    decided_by: str | None
    approvals: int = Field(description="How many people have approved it.")
    approvals_needed: int = Field(description="How many must, before it can be applied.")
    reason: str | None = Field(description="What the person said who decided.")


class PlanAnswer(Answer):
    """What an apply would do. Nothing was written to OpenMeter or to the catalog."""

    digest: str = Field(description="sha256 of the plan: the same digest is the same plan.")
    intent: str = Field(description="sha256 of what changes alone; it stays while ids and fingerprints move.")
    url: str
    owner: str
    severity: str | None = Field(description="The worst of all changes; null where there is nothing to do.")
    counts: Counts
    changes: list[PlannedChange] = Field(description="The worst first.")
    total_changes: int
    next_cursor: int | None = Field(description="More changes: call again with this cursor. Null at the end.")
    held: int = Field(description="Resources with a cosmetic difference that waits for a replace.")
    proposal: Proposed | None = Field(description="Where edits were given: the proposal that a person can approve now.")
    patch: str | None = Field(description="What the edits make of the catalog's files, as a unified diff.")
    next: str = Field(description="What to do now.")


class ProposalRow(Proposed):
    """A proposal in a list."""

    digest: str
    severity: str
    changes: int
    edits: list[str] = Field(description="Addresses that it edits in the catalog.")


class ProposalList(Answer):
    """Proposals of this environment, the newest first."""

    proposals: list[ProposalRow]
    total: int
    next_cursor: int | None = Field(description="More: call again with this cursor. Null at the end.")


class Applied(Answer):
    """What was done. The catalog's files say the same now."""

    status: Literal["applied", "nothing_to_do"]
    digest: str
    done: list[str] = Field(description="Addresses that were changed.")
    total_done: int


class Edit(_Shape):
    """One edit of the catalog: a whole resource, or null to take it out."""

    address: AddressText
    spec: dict[str, Any] | None = Field(
        description="All of the resource, as its section takes it (explain_kind tells); what is left out has its "
        'default. {} for nothing but defaults, null to take the resource out of the catalog, {"external": true} for '
        "what exists and another hand manages.",
        examples=[{"name": "ACME Inc.", "subjects": ["acme"]}],
    )


class SubjectInput(_Shape):
    """A subject. Of one that the catalog has, what is left out stays as it is."""

    key: str = Field(min_length=1, max_length=256, description="The subject's key, as usage events name it.")
    display_name: str | None = Field(None, max_length=256)
    stripe_customer_id: str | None = Field(None, max_length=64, pattern="^cus_", examples=["cus_123"])
    metadata: dict[str, Any] | None = Field(None, description="Any JSON.", examples=[{"tier": "gold"}])
