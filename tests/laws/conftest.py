"""Makes the modules beside the laws importable: generators, normal, trips and the rest are shared by all of them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
