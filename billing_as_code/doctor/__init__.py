"""The doctor's judgement: facts in, findings out. Who gathers the facts is the service."""

from billing_as_code.doctor.answers import Answered, clock, connection, served
from billing_as_code.doctor.findings import CHECKS, LEVELS, Check, Finding, Level, found
from billing_as_code.doctor.gate import Gate, gate
from billing_as_code.doctor.project import Lookout, catalog, chosen, configuration, state, unusable
from billing_as_code.doctor.resources import resources

__all__ = [
    "CHECKS",
    "LEVELS",
    "Answered",
    "Check",
    "Finding",
    "Gate",
    "Level",
    "Lookout",
    "catalog",
    "chosen",
    "clock",
    "configuration",
    "connection",
    "found",
    "gate",
    "resources",
    "served",
    "state",
    "unusable",
]
