"""Pricing plans, over both APIs (`openmeter/productcatalog/plan`)."""

from .rows import has_plan_in_force

__all__ = ["has_plan_in_force"]
