"""What the memory of an idle stream is made of: `python benchmarks/stream_account.py [STREAMS]` prints a table.

The gateway runs under tracemalloc, whose view is of what Python allocated, line by line. What it does not see is the
rest of resident memory: what allocators keep in reserve. `slow_streams.py` measures all of it.
"""

from __future__ import annotations

import gc
import linecache
import os
import re
import runpy
import signal
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from pathlib import Path

TAKEN_TO = "STREAM_ACCOUNT_SNAPSHOTS"  # names, in the gateway's environment, the directory for its snapshots
STREAMS = 2_000
WARM_UP = 50
LINES_SHOWN = 15

# The first that fits a line's place and source is what it is for.
KINDS = (
    ("coroutines that wait, with their frames", r".*\bawait |.*coro = async_fn"),
    ("trio: cancel scopes and their status", r"<attrs generated methods trio._core._run.Cancel|.*CancelS|.*heappush"),
    ("trio: waiting for two sockets", r".*/trio/_core/_(io|traps)|<attrs.*WaitTask"),
    ("trio: tasks, nurseries, the rest", r".*/trio/|<attrs"),
    ("llhttp's parser of a chunked answer", r".*httptools"),
    ("server", r".*/trio_gateway/server/"),
    ("transport", r".*/trio_gateway/transport/"),
    ("routing", r".*/trio_gateway/routing/"),
    ("dialects", r".*/trio_gateway/dialects/"),
    ("exchange, its record, the rest of the gateway", r".*/trio_gateway/"),
)


def serve_traced(directory: Path) -> None:
    """Be the gateway, and write a snapshot for every SIGUSR1."""
    taken = 0

    def take(*_: object) -> None:
        nonlocal taken
        gc.collect()
        unfinished = directory / "unfinished"
        tracemalloc.take_snapshot().dump(str(unfinished))
        unfinished.rename(directory / str(taken))
        taken += 1

    signal.signal(signal.SIGUSR1, take)
    tracemalloc.start()
    runpy.run_module("trio_gateway", run_name="__main__")


def measure(streams: int) -> list[tracemalloc.StatisticDiff]:
    """Return what `streams` idle streams hold, by line, largest first."""
    from house import SAME, House, gateway_config
    from loads import Ask
    from processes import PYTHON, Server, free_port
    from slow_streams import Crowd

    with tempfile.TemporaryDirectory() as name, House(Path(name)) as house:
        directory, port = Path(name), free_port()
        options = ["--config", str(gateway_config(house, port)), "--bind", f"127.0.0.1:{port}"]
        command = [PYTHON, __file__, "serve", *options]
        log = directory / "traced.log"
        gateway = house.adopt(Server(command, port, log=log, environ={TAKEN_TO: name}))
        gateway.wait_ready(Ask(SAME).bytes())

        def snapshot(index: int) -> tracemalloc.Snapshot:
            gateway.signal(signal.SIGUSR1)
            while not (directory / str(index)).exists():
                time.sleep(0.1)  # noqa: TID251 (no event loop here)
            found = tracemalloc.Snapshot.load(str(directory / str(index)))
            return found.filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])

        warm_up = Crowd(port)
        warm_up.open(WARM_UP)
        warm_up.close()
        time.sleep(1)  # noqa: TID251 (as above)
        before = snapshot(0)
        crowd = Crowd(port)
        try:
            crowd.open(streams)
            return snapshot(1).compare_to(before, "lineno")
        finally:
            crowd.close()


def kind_of(place: str, source: str) -> str:
    line = f"{place} {source}"
    return next((kind for kind, pattern in KINDS if re.match(pattern, line)), "Python's library")


def main() -> None:
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS
    found = [line for line in measure(streams) if line.size_diff > 0]
    kinds: Counter[str] = Counter()
    for line in found:
        frame = line.traceback[0]
        kinds[kind_of(frame.filename, linecache.getline(frame.filename, frame.lineno).strip())] += line.size_diff
    print("| what | bytes a stream |\n| --- | ---: |")
    for kind, size in [*kinds.most_common(), ("all that Python allocated", kinds.total())]:
        print(f"| {kind} | {size / streams:,.0f} |")
    print("\nThe largest lines:")
    for line in found[:LINES_SHOWN]:
        frame = line.traceback[0]
        source = linecache.getline(frame.filename, frame.lineno).strip()
        print(f"{line.size_diff / streams:6.0f}  {frame.filename}:{frame.lineno}  {source}")


if __name__ == "__main__":
    if TAKEN_TO in os.environ:
        serve_traced(Path(os.environ[TAKEN_TO]))
    else:
        main()
