"""Billing as far as subscriptions need it: apps, billing profiles, Stripe checkout and the gathering invoice.

From `openmeter/app` and `openmeter/billing`.
"""
