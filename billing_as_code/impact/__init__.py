"""Whom a plan hits: for every customer of whom it takes something, what they use, what they may use afterwards, and
whether they would still have access. Values and computing; what OpenMeter is asked for that is the service's business.
"""

from billing_as_code.impact.cases import Case, cases
from billing_as_code.impact.judging import judged, past_spans, running
from billing_as_code.impact.values import (
    BANDS,
    CONFIDENCE,
    OUTCOMES,
    Confidence,
    Counts,
    Hit,
    Impact,
    Outcome,
    Reading,
    band_of,
    counts,
    estimated,
    ranked,
)

__all__ = [
    "BANDS",
    "CONFIDENCE",
    "OUTCOMES",
    "Case",
    "Confidence",
    "Counts",
    "Hit",
    "Impact",
    "Outcome",
    "Reading",
    "band_of",
    "cases",
    "counts",
    "estimated",
    "judged",
    "past_spans",
    "ranked",
    "running",
]
