"""Billing as code for OpenMeter."""

__version__ = "0.1.0"
