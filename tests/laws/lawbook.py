"""What all laws have in common: over which pairs they run, and with how many examples.

LAW_EXAMPLES sets the examples of every law and pair (`make laws` says 1000), fresh ones in each run. Without it the
budget is small and the examples are the same every time.
"""

from __future__ import annotations

import os
from itertools import permutations

import pytest
from hypothesis import HealthCheck, settings

from trio_gateway.dialects import DIALECTS

_EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "0"))
_BUDGET = 12

law = settings(
    max_examples=_EXAMPLES or _BUDGET,
    derandomize=not _EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

PAIRS = list(permutations(DIALECTS, 2))

every_dialect = pytest.mark.parametrize("name", DIALECTS)
every_pair = pytest.mark.parametrize(("source", "target"), PAIRS, ids=[f"{one}-to-{other}" for one, other in PAIRS])
