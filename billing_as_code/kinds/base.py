"""What a kind is: a table of fields, and how a change of it becomes requests. What a kind's file needs stands here.

Nothing here knows any one kind. A kind that behaves differently subclasses `Kind` in its own file and overrides a hook.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from billing_as_code.kinds.fields import COMMERCIAL, SAFE, Absent, BadValue, Field, Names, Rank, Schema, always, same
from billing_as_code.kinds.listings import PAGE, Item, Listing, Query, V1Listing, V3Listing, labels_in, listed, text_in
from billing_as_code.kinds.looks import Look, Sight
from billing_as_code.kinds.moves import Allowance, Changes, Counter, Holder, Move
from billing_as_code.kinds.table import Table
from billing_as_code.model import (
    NO_FACTS,
    NO_MARKS,
    Address,
    Change,
    Class,
    Json,
    Read,
    Ref,
    Resource,
    Spec,
    State,
    Step,
    address_of,
    canonical_json,
)

OWNER, KEY, PROTECT = "bac.owner", "bac.key", "bac.protect"
LABEL_PREFIX = "bac."
NOTHING: State = {}


@dataclass(frozen=True, slots=True)
class Context:
    """What compiling a change into steps may look at.

    `owner` is written as `bac.owner`; `live` and `desired` are the whole states; `actions` says what happens to every
    address that changes; `gap` chooses delete and create over the bridge; `now` is the time of planning.
    """

    owner: str
    live: State
    desired: State
    actions: Mapping[Address, str]
    gap: bool
    now: datetime

    def id(self, address: Address) -> str | Ref:
        """The id that a step shall use: what is live, or a reference where this plan makes a new one."""
        live = self.live.get(address)
        if live is None or live.id is None or self.actions.get(address) in ("create", "replace"):
            return Ref("id", str(address))
        return live.id


class Known(NamedTuple):
    """What apply knows of a resource when it resolves a reference: what its reads answered, {name: body}, with the time
    ("at") and the resource's id then ("id"); its facts, of
    this run's last answer or of the live state; the time of the reads, or now; and the parts it had before."""

    readings: Mapping[str, Json]
    facts: Mapping[str, Json]
    now: datetime
    parts: tuple[Mapping[str, Json], ...] = ()


class Sign(NamedTuple):
    """Something that live resources tell: the code of a finding, and the names of those that show it."""

    code: str
    of: tuple[str, ...]


def _labels(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    """Our labels among others."""
    found = tuple([(k, v) for k, v in metadata.items() if k.startswith(LABEL_PREFIX)])
    try:
        return _shared(found)
    except TypeError:  # a subject's metadata is any JSON
        return dict(found)


def owner_of(labels: Mapping[str, Any]) -> str | None:
    """Whose label is among some, None where there is none; of what is no text (a subject's metadata is any JSON), its
    JSON."""
    owner = labels.get(OWNER)
    return owner if owner is None or isinstance(owner, str) else canonical_json(owner)


@lru_cache(maxsize=4096)
def _shared(labels: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """One mapping for the same few labels that stand on nearly everything."""
    return dict(labels)


@dataclass(frozen=True)
class Kind(Table):
    """A type of resource. `name` is its section in YAML, `keys` what each part of its address's path is."""

    name: str
    singular: str
    keys: tuple[str, ...]
    fields: tuple[Field, ...]
    listings: tuple[Listing, ...]
    key_schemas: tuple[Schema, ...] = ()
    key_refs: tuple[str, ...] = ()
    """Per part of the path, the kind that it refers to, or ""."""
    key_binds: tuple[bool, ...] = ()
    create_class: Class = Class.SAFE
    replace_class: Class = Class.BREAKING
    """The least class of a replace; a kind whose replace loses nothing leaves it to the fields."""
    whom: int | None = None
    """Which part of the path names whom a change is for; None where it is for everybody."""
    needed_by_dependents: bool = True
    """OpenMeter refuses to delete one that others refer to."""
    labels_fixed: bool = False
    """OpenMeter cannot change its metadata, so a label can only be set at creation."""
    part_of: str = ""
    """The kind whose resources this one lives and dies with; `part_wire` is where its wire form has that one's id."""
    part_wire: str = ""
    doc: str = ""
    fixed_since: str = ""
    """Why its fixed fields are."""
    also_in: str = ""
    """The API, besides the one that is written to, whose names people may know: v1 or v3."""
    extra_schema: tuple[tuple[str, Any], ...] = ()
    never_pruned: bool = False
    instead: str = ""
    """What to do instead of declaring one, where no catalog has a section of it: of such a kind only what a proposal
    asks for is read (`bearing`)."""
    deleted_unowned: bool = False
    """One that no catalog declares may be deleted where a proposal asks for just that."""
    configured_under: str = ""
    """The section of OpenMeter's own configuration that makes such resources at its start, and insists on them."""
    unshown: tuple[Listing, ...] = ()
    """Lists that show metadata which `listings` leave out, since no catalog can hold it: so that it can be told."""
    own_file: bool = False
    """In the layout by customer each has a file of its own, with what is keyed by it."""

    # -- the table, indexed ------------------------------------------------------------------------

    @property
    def api(self) -> str:
        """The API that it is written to: v1, v2 or v3."""
        return self.listings[0].path.split("/")[2]

    @property
    def in_catalog(self) -> bool:
        """Whether a catalog has a section of it."""
        return not self.instead

    # -- live --------------------------------------------------------------------------------------

    def metadata(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """The labels of a wire item, `bac.*` ones included."""
        return labels_in(item, "metadata")

    def path_of(self, item: Mapping[str, Any], names: Names) -> tuple[str, ...] | None:
        """The address's path of a wire item, None where it can have none (a customer without a key)."""
        return (text_in(item, "key"),) if item.get("key") not in (None, "") else None

    def facts(self, item: Mapping[str, Any], names: Names) -> Mapping[str, Json]:
        """What a step of this kind may need of the wire item."""
        return NO_FACTS

    def implied(self, resource: Resource) -> Iterable[Resource]:
        """Resources of another kind that a live one stands for, though no list shows them."""
        return ()

    def outranks(self, one: Resource, other: Resource) -> bool:
        """Which of two live resources with one address counts."""
        return (one.id or "") > (other.id or "")

    def counts(self, resource: Resource) -> bool:
        """Whether a live resource stands for what the catalog declares."""
        return True

    def over(self, resource: Resource, now: datetime) -> bool:
        """Whether it has ended by itself, so that nothing is left to be deleted."""
        return False

    def says_something(self, resource: Resource) -> bool:
        """Whether a live resource that nobody owns is worth declaring: OpenMeter makes some by itself."""
        return True

    def beside(self, resource: Resource) -> Iterable[Address]:
        """What is written in the same file, besides what is keyed by it, where each of the kind has its own."""
        return ()

    def nameless(self, item: Mapping[str, Any], names: Names, now: datetime) -> str:
        """Why a wire item without an address cannot be declared; "" where nobody misses it."""
        return "has no key"

    def live(self, item: Mapping[str, Any], names: Names, like: State = NOTHING) -> Resource | None:
        """The resource of a wire item; None for what can never be ours.

        What is equal in `like` becomes the same object, not another: of nearly everything, that is half of the memory.
        """
        path = self.path_of(item, names)
        if path is None:
            return None
        for key in path:
            if key.__class__ is not str:
                raise TypeError(f"{path!r} is no key")
        metadata = self.metadata(item)
        marks = _labels(metadata) if metadata else NO_MARKS
        owner, protect = owner_of(marks), marks.get(PROTECT) == "true"
        address, spec = address_of((self.name, path)), self.from_wire(path, item, names)
        twin = like.get(address)
        if twin is not None:
            address, spec = twin.address, twin.spec if twin.spec == spec else spec
        return Resource.found(address, spec, item.get("id"), owner, protect, marks, self.facts(item, names))

    def bearing(self, wanted: Resource, live: State) -> Mapping[str, tuple[Listing, ...]]:
        """Of a kind that no catalog has a section of: the lists, by kind, that show what bears on a wanted resource,
        itself among them. `live` is what the catalog's kinds are."""
        return {}

    # -- hooks: what a kind may say that the table cannot ------------------------------------------

    def check(self, resource: Resource, desired: State) -> Iterable[tuple[str, str, str]]:
        """What OpenMeter would refuse and a schema cannot say: (field, message, remedy) triples. Offline."""
        for i, check in self._checked:
            value = resource.spec[i]
            if value is not None and (problem := check(value)) is not None:
                yield self.fields[i].name, *problem

    def check_all(
        self, resources: Mapping[Address, Resource], desired: State
    ) -> Iterable[tuple[Address, str, str, str]]:
        """The same for rules between resources of the kind: (address, field, message, remedy)."""
        return ()

    def refuse(self, change: Change, context: Context) -> Iterable[str]:
        """Why a change cannot be made from what is live."""
        return ()

    def refuse_all(self, changes: Mapping[Address, Change], context: Context) -> Iterable[tuple[Address, str]]:
        """The same for what changes of the kind need of each other: (address, why). Called where it changes at all."""
        return ()

    def skip(self, desired: Resource, context: Context) -> str:
        """A code for why a resource that is not live is not to be made, or ""."""
        return ""

    def compile(self, change: Change, context: Context) -> Change:
        """The change with its reads and steps. Pure."""
        raise NotImplementedError(self.name)

    def resolve(self, ref: Ref, known: Known) -> Json:
        """The value of a reference to one of this kind's resources. Pure."""
        raise KeyError(ref.what)

    def hands(self, change: Change) -> tuple[frozenset[str], frozenset[str]]:
        """Names that must be free before another of the kind can take them: (those freed, those taken)."""
        return frozenset(), frozenset()

    def makes(self, change: Change) -> Iterable[Address]:
        """Addresses of other kinds that OpenMeter makes by itself when this change is carried out; their own changes
        come after it."""
        return ()

    def hides_labels(self, spec: Spec) -> bool:
        """Whether OpenMeter's answers leave the labels of such a resource out."""
        return False

    def harm(self, change: Change, step: Step) -> tuple[Read, ...]:
        """What to read after a step was refused, where a refusal alone may have destroyed something."""
        return ()

    def undo(self, change: Change, known: Known) -> tuple[Step, ...]:
        """The steps that make again what a refusal destroyed; what `harm` read is among the readings."""
        return ()

    def harmed(self, change: Change) -> str:
        """What is lost where `undo` cannot be done, for people."""
        return ""

    def helps(self, refusal: str) -> str:
        """What helps where OpenMeter refused a step with this text, as a sentence; "" where that says it itself."""
        return ""

    def mend(self, live: Resource, context: Context) -> Change | None:
        """A change for a live resource of ours that matches the catalog but is not whole, or None."""
        return None

    # -- what can be seen of one -------------------------------------------------------------------

    def alone(self, path: tuple[str, ...]) -> Read | None:
        """The read of one live resource by its keys, None where OpenMeter shows it among others only."""
        return None

    def narrowed(self, by: str, ids: Mapping[str, str]) -> tuple[Listing, ...] | None:
        """Lists that show every live resource of some keys (where `by` is the kind itself), or whose address has keys
        of another kind in it, and few others; `ids` has the ids of those keys, "" where none is known. None where
        OpenMeter cannot tell them apart, so that all must be listed."""
        return None

    def rivals(self, change: Change) -> tuple[Listing, ...]:
        """Lists that show what else of the kind stands in the way of a change."""
        return ()

    def belongs_to(self, item: Mapping[str, Any]) -> Iterable[Address]:
        """What must be known for a wire item to have an address, as far as the item itself names it."""
        return ()

    def labelled(self, id: str) -> Read:
        """The read that shows the labels of one resource whose lists leave them out (see `hides_labels`)."""
        raise NotImplementedError(self.name)

    def looks(self, resource: Resource, sight: Sight) -> tuple[Look, ...]:
        """What can be seen of a live resource beyond its fields. Pure."""
        return ()

    def groupings(self, resource: Resource) -> tuple[str, ...]:
        """What its looks can be grouped by."""
        return ()

    def allowance(self, resource: Resource) -> Allowance | None:
        """What a resource lets a customer use of a feature; None of one that does not."""
        return None

    def holder(self, resource: Resource) -> Holder | None:
        """Who may use what by a resource that has an allowance, or adds to one."""
        return None

    def moves(self, change: Change, changes: Changes) -> Iterable[Move]:
        """What a change does to what customers may use; `changes` are all of the plan."""
        return ()

    def addition(self, resource: Resource) -> Decimal | None:
        """What a declared resource adds to what its holder may use; None of one that adds nothing."""
        return None

    def counter(self, resource: Resource, live: State) -> Counter | None:
        """How what is used by a live resource that has an allowance is counted; None where nothing is."""
        return None

    def signs(self, live: State) -> Iterable[Sign]:
        """What a live state tells, by resources of the kind, of how its OpenMeter is set."""
        return ()

    # -- common compilations -----------------------------------------------------------------------

    def labels(self, resource: Resource, context: Context, marks: Mapping[str, str] = NO_MARKS) -> dict[str, str]:
        """The `bac.*` labels to be written on a resource; none on one that is (now) external."""
        if resource.external:
            return {}
        out = {OWNER: context.owner, **marks}
        if resource.protect:
            out[PROTECT] = "true"
        return out


__all__ = [
    "COMMERCIAL",
    "KEY",
    "LABEL_PREFIX",
    "OWNER",
    "PAGE",
    "PROTECT",
    "SAFE",
    "Absent",
    "BadValue",
    "Context",
    "Field",
    "Item",
    "Kind",
    "Known",
    "Listing",
    "Look",
    "Names",
    "Query",
    "Rank",
    "Read",
    "Schema",
    "Sight",
    "Sign",
    "V1Listing",
    "V3Listing",
    "always",
    "labels_in",
    "listed",
    "owner_of",
    "same",
    "text_in",
]
