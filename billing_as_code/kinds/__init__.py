"""The registry of kinds, in the order that people read them in, and nothing else.

KINDS are those that a catalog has sections of; ASKED those that it has none of: of these, only what a proposal asks for
is read and made.
"""

from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.entitlements import ENTITLEMENTS
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.grants import GRANTS
from billing_as_code.kinds.meters import METERS
from billing_as_code.kinds.subjects import SUBJECTS
from billing_as_code.kinds.subscriptions import PLANS, SUBSCRIPTIONS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (METERS, FEATURES, CUSTOMERS, SUBJECTS, ENTITLEMENTS, GRANTS)}
ASKED: dict[str, Kind] = {kind.name: kind for kind in (PLANS, SUBSCRIPTIONS)}
EVERY: dict[str, Kind] = KINDS | ASKED
