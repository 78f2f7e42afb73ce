"""The catalog that is measured: customers with three entitlements each, one grant per hundred resources, in one owner's
hands, and the project folder around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CUSTOMERS_PER_FILE = 250
BLOCK = 300
"""Customers after which everything repeats but their numbers: every period below (3, 5, 10, 25, 50) divides it."""
ENVIRONMENT = "bench"
MODELS = ("small", "medium", "large")
COUNTRIES = ("US", "DE", "NO", "JP", "BR")


def write(folder: Path, resources: int, *, entitled: bool = True) -> int:
    """Write a catalog of about so many resources below `folder`, and return how many customers it has: a quarter, or
    all where they are not `entitled` to anything."""
    customers = resources // 4 if entitled else resources
    catalog = folder / "catalog"
    (catalog / "customers").mkdir(parents=True, exist_ok=True)
    (catalog / "metering.yaml").write_text(METERING)
    for start in range(0, customers, CUSTOMERS_PER_FILE):
        numbers = range(start, min(start + CUSTOMERS_PER_FILE, customers))
        (catalog / "customers" / f"{start // CUSTOMERS_PER_FILE:03d}.yaml").write_text(
            "\n".join(_lines(numbers, entitled=entitled)) + "\n"
        )
    return customers


def configure(folder: Path, url: str) -> None:
    """Point the project at a server."""
    (folder / "bac.yaml").write_text(
        f"catalog: catalog\nowner: bench\nenvironments: {{{ENVIRONMENT}: {{url: '{url}', reads: 8}}}}\n"
    )


def _lines(numbers: range, *, entitled: bool) -> Iterator[str]:
    yield "customers:"
    for n in numbers:
        yield f"  customer-{n:05d}:"
        yield f"    name: Customer {n:05d} Inc."
        yield f"    subjects: [customer-{n:05d}-app, customer-{n:05d}-batch]"
        yield "    currency: USD"
        yield f"    primary_email: billing@customer-{n:05d}.example"
        yield f"    billing_address: {{country: {COUNTRIES[n % len(COUNTRIES)]}, city: Springfield}}"
        yield f"    metadata: {{crm_id: '{n}', tier: {'enterprise' if n % 10 == 0 else 'starter'}}}"
    if not entitled:
        return
    yield "entitlements:"
    for n in numbers:
        yield f"  customer-{n:05d}:"
        yield f"    tokens_{MODELS[n % len(MODELS)]}:"
        yield "      type: metered"
        yield "      usage_period: {interval: month, anchor: 2026-01-01T00:00:00Z}"
        yield f"      issue: {{amount: {1_000_000 + n}}}"
        yield f"      is_soft_limit: {'true' if n % 10 == 0 else 'false'}"
        yield f"    seats: {{type: static, config: {{max: {5 + n % 50}, guests: true}}}}"
        yield "    sso: {type: boolean}"
    granted = [n for n in numbers if n % 25 == 0]
    if granted:
        yield "grants:"
    for n in granted:
        yield f"  customer-{n:05d}:"
        yield f"    tokens_{MODELS[n % len(MODELS)]}:"
        yield "      welcome_bonus:"
        yield "        amount: 5000"
        yield "        effective_at: 2035-01-01T00:00:00Z"
        yield "        expiration: {duration: month, count: 3}"


METERING = """\
meters:
  tokens: {event_type: prompt, aggregation: sum, value_property: $.tokens, dimensions: {model: $.model}}
  requests: {event_type: prompt, aggregation: count}
features:
  tokens_small: {meter: tokens, filters: {model: {eq: small}}}
  tokens_medium: {meter: tokens, filters: {model: {eq: medium}}}
  tokens_large: {meter: tokens, filters: {model: {in: [large, huge]}}, unit_cost: {type: manual, amount: "0.000002"}}
  requests: {meter: requests}
  seats: {name: Seats}
  sso: {name: Single sign-on}
"""
