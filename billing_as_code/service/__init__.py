"""One function for each thing that a user can do. Commands and agents' tools call these and nothing deeper."""

from billing_as_code.service.applying import abandon, apply, check, resume
from billing_as_code.service.planning import drift, plan, validate
from billing_as_code.service.session import Outcome, Session, open_session

__all__ = [
    "Outcome",
    "Session",
    "abandon",
    "apply",
    "check",
    "drift",
    "open_session",
    "plan",
    "resume",
    "validate",
]
