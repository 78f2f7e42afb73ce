"""Subscriptions of customers to plans, over both APIs, and the entitlements that they bring.

From `openmeter/subscription` and `openmeter/productcatalog/subscription`.
"""

from .rows import active_subscriptions, customers_with_plan, has_subscription_in_force

__all__ = ["active_subscriptions", "customers_with_plan", "has_subscription_in_force"]
