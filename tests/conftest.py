"""Properties are held with the same examples in every run, however slow the machine. `make laws` draws fresh ones."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")
