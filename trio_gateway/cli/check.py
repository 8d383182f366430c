"""`trio-gateway check`: validate a configuration without starting."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from trio_gateway.config import load
from trio_gateway.startup import require_channels


def check(options: argparse.Namespace) -> int:
    """Raises ConfigError, a line for each problem."""
    config = load(Path(options.config), os.environ)
    require_channels(config, options.config)
    count = len(config.channels)
    print(f"{options.config}: valid; {count} channel{'s' if count != 1 else ''}: {', '.join(config.channels)}")
    return 0
