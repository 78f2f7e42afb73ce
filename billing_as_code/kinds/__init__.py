"""The registry of kinds, in the order that people read them in, and nothing else."""

from billing_as_code.kinds.base import Kind
from billing_as_code.kinds.customers import CUSTOMERS
from billing_as_code.kinds.entitlements import ENTITLEMENTS
from billing_as_code.kinds.features import FEATURES
from billing_as_code.kinds.grants import GRANTS
from billing_as_code.kinds.meters import METERS
from billing_as_code.kinds.subjects import SUBJECTS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (METERS, FEATURES, CUSTOMERS, SUBJECTS, ENTITLEMENTS, GRANTS)}
