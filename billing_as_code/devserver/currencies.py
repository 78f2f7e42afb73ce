"""The fiat currencies that OpenMeter knows: ISO 4217 with its precious metals, units of account and some old ones.

They are the table of GOBL (`github.com/invopop/gobl`, Apache License 2.0), which OpenMeter takes them from too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

# As v3 shows them, in the order of their codes.
CURRENCIES: Final[list[dict[str, Any]]] = json.loads(files(__package__).joinpath("currencies.json").read_text("utf-8"))
FIAT_CURRENCIES: Final = frozenset(currency["code"] for currency in CURRENCIES)
# How many decimals an amount in a currency has.
PRECISIONS: Final[Mapping[str, int]] = {currency["code"]: currency["precision"] for currency in CURRENCIES}
