"""One function for each thing that a user can do. Commands and agents' tools call these and nothing deeper.

Each comes from its module when it is first asked for: a command uses few of them, and all take as long to import as
everything else that it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from billing_as_code.contrast import Contrast
    from billing_as_code.gate.proposals import Proposal
    from billing_as_code.ingest.events import Refusal, Tally
    from billing_as_code.service.applying import abandon, apply, check, resume
    from billing_as_code.service.asking import Found, access, find, published, usage
    from billing_as_code.service.charging import checkout
    from billing_as_code.service.checking import Examination, examine
    from billing_as_code.service.contrasting import base_of, contrasted, since
    from billing_as_code.service.expecting import Verdicts, broken, hold
    from billing_as_code.service.impacting import impact_now, plan_with_impact, what_if
    from billing_as_code.service.ingesting import Feed, ingest
    from billing_as_code.service.looking import listing, show
    from billing_as_code.service.owning import Takeover, owners, take_over
    from billing_as_code.service.planning import drift, plan, saved, validate
    from billing_as_code.service.proposing import files, meant, proposal, proposals, propose, propose_plan, tampered
    from billing_as_code.service.pulling import Pulled, pull, save
    from billing_as_code.service.reviewing import apply_approved, decidable, decide, read_audit
    from billing_as_code.service.session import Outcome, Session, open_session
    from billing_as_code.service.telling import about

_HOMES = {
    "contrast": ("Contrast",),
    "gate.proposals": ("Proposal",),
    "ingest.events": ("Refusal", "Tally"),
    "service.telling": ("about",),
    "service.applying": ("abandon", "apply", "check", "resume"),
    "service.asking": ("Found", "access", "find", "published", "usage"),
    "service.charging": ("checkout",),
    "service.checking": ("Examination", "examine"),
    "service.contrasting": ("base_of", "contrasted", "since"),
    "service.expecting": ("Verdicts", "broken", "hold"),
    "service.impacting": ("impact_now", "plan_with_impact", "what_if"),
    "service.ingesting": ("Feed", "ingest"),
    "service.looking": ("listing", "show"),
    "service.owning": ("Takeover", "owners", "take_over"),
    "service.planning": ("drift", "plan", "saved", "validate"),
    "service.proposing": ("files", "meant", "proposal", "proposals", "propose", "propose_plan", "tampered"),
    "service.pulling": ("Pulled", "pull", "save"),
    "service.reviewing": ("apply_approved", "decidable", "decide", "read_audit"),
    "service.session": ("Outcome", "Session", "open_session"),
}
"""The modules, and what they have for others."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Contrast",
    "Examination",
    "Feed",
    "Found",
    "Outcome",
    "Proposal",
    "Pulled",
    "Refusal",
    "Session",
    "Takeover",
    "Tally",
    "Verdicts",
    "abandon",
    "about",
    "access",
    "apply",
    "apply_approved",
    "base_of",
    "broken",
    "check",
    "checkout",
    "contrasted",
    "decidable",
    "decide",
    "drift",
    "examine",
    "files",
    "find",
    "hold",
    "impact_now",
    "ingest",
    "listing",
    "meant",
    "open_session",
    "owners",
    "plan",
    "plan_with_impact",
    "proposal",
    "proposals",
    "propose",
    "propose_plan",
    "published",
    "pull",
    "read_audit",
    "resume",
    "save",
    "saved",
    "show",
    "since",
    "take_over",
    "tampered",
    "usage",
    "validate",
    "what_if",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"billing_as_code.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
