"""One function for each thing that a user can do. Commands and agents' tools call these and nothing deeper."""

from billing_as_code.service.about import about
from billing_as_code.service.applying import abandon, apply, check, resume
from billing_as_code.service.looking import listing, show
from billing_as_code.service.planning import drift, plan, validate
from billing_as_code.service.session import Outcome, Session, open_session

__all__ = [
    "Outcome",
    "Session",
    "abandon",
    "about",
    "apply",
    "check",
    "drift",
    "listing",
    "open_session",
    "plan",
    "resume",
    "show",
    "validate",
]
