"""What must hold of the catalog: tests that stand in `*.test.yaml` files beside it, and what comes of them. Pure."""

from billing_as_code.expecting.judging import Failure, Outcome, judge
from billing_as_code.expecting.reading import Check, Expectation, Selector, expectations

__all__ = ["Check", "Expectation", "Failure", "Outcome", "Selector", "expectations", "judge"]
