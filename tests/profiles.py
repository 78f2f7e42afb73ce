"""How many examples a property is tried with: HYPOTHESIS_PROFILE is `default`, or `long` for a night.

A heavy property takes a share of them: `@settings(max_examples=share(0.5))`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_QUIET = {
    # one example is dozens of requests, and the machine may be busy
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}
# the same examples every time, so that a merge does not depend on luck; the long profile looks for new ones
settings.register_profile("default", max_examples=200, derandomize=True, **_QUIET)
settings.register_profile("long", max_examples=5000, **_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def share(of: float) -> int:
    """So much of the profile's number of examples."""
    return max(1, int(settings.default.max_examples * of))
