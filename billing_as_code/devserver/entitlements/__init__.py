"""Entitlements of customers to features, the grants that fill them, and what is left of them."""

from .rows import has_active as has_active_entitlements

__all__ = ["has_active_entitlements"]
