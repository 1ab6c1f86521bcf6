"""The product with a guarantee taken out: for tests that must fail without it, and to measure what it costs.

1. Each variant is a store of its own, handed to whoever would use `Store`. Nothing in the product knows of them.
2. Without crashes and frozen processes a variant does the same work with the same results.
3. `celery -A tests.unguarded.no_intent_app` (`no_fencing_app`, `no_guarantee_app`) runs real workers on a variant.
"""

from tests.unguarded.no_fencing import NoFencingStore, lateness_unchecked, stop_checking_lateness
from tests.unguarded.no_guarantee import NoGuaranteeStore
from tests.unguarded.no_intent import NoIntentStore

__all__ = [
    "NoFencingStore",
    "NoGuaranteeStore",
    "NoIntentStore",
    "lateness_unchecked",
    "stop_checking_lateness",
]
