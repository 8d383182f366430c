"""The ids of requests, for answers and logs."""

from __future__ import annotations

import itertools
import os


class RequestIds:
    """Ids that are unique over processes and restarts: a random part for the process, and a count."""

    def __init__(self) -> None:
        self._process = os.urandom(9).hex()
        self._count = itertools.count()

    def __next__(self) -> bytes:
        return b"req_%b%06x" % (self._process.encode(), next(self._count))
