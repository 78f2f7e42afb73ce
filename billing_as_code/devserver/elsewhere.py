"""The parts of OpenMeter that this server does not have: they answer 501, and not the 404 of an unknown route."""

from __future__ import annotations

import re

_V1 = ("addons", "apps", "billing", "debug", "info", "marketplace", "notification", "plans", "portal", "stripe")
_V1_CUSTOMER = ("apps", "stripe")
_V3 = (
    *("addons", "app-catalog", "apps", "billing", "currencies", "defaults", "entitlement-access", "llm-cost"),
    *("plans", "profiles", "subscriptions", "tax-codes"),
)
_V3_CUSTOMER = ("billing", "charges", "credits")


def _any(names: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(map(re.escape, names))})"


_ELSEWHERE = re.compile(
    "|".join(
        (
            f"/api/v1/{_any((*_V1, 'subscriptions'))}",
            f"/api/v1/customers/[^/]+/{_any(_V1_CUSTOMER)}",
            f"/api/v3/openmeter/{_any(_V3)}",
            f"/api/v3/openmeter/customers/[^/]+/{_any(_V3_CUSTOMER)}",
            "/api/v3/openmeter/features/[^/]+/cost/query",
        )
    )
)


# Of paths that are served, the methods that are not.
_METHODS_ELSEWHERE = (
    ("POST", "/api/v1/(?:addons|notification/channels|notification/rules)"),
    ("PUT|DELETE", "/api/v1/apps/[^/]+"),
    ("PUT", "/api/v1/customers/[^/]+/(?:apps|stripe)"),
    ("POST", "/api/v3/openmeter/(?:addons|llm-cost/overrides)"),
    ("PUT|DELETE", "/api/v3/openmeter/apps/[^/]+"),
)
_METHOD_ELSEWHERE = re.compile("|".join(f"(?:{methods}) {path}" for methods, path in _METHODS_ELSEWHERE))


def is_method_elsewhere(method: str, path: str) -> bool:
    """Whether OpenMeter has a method on a path of which only others are served here."""
    return _METHOD_ELSEWHERE.fullmatch(f"{method} {path}") is not None


def is_elsewhere(path: str) -> bool:
    """Whether a path that is not served here is one that OpenMeter serves (or near enough to tell the difference)."""
    match = _ELSEWHERE.match(path)
    if match is None or path.endswith("/"):
        return False
    rest = path[match.end() :]
    return rest == "" or rest.startswith("/")
