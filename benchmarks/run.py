"""Measure the gateway against the simulator, all in one run.

    python benchmarks/run.py [--quick] [--peers] [--out DIRECTORY] [--name NAME]

Prints the tables and writes them, with JSON and plots, into benchmarks/results/. Linux: CPU and memory come from /proc.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import msgspec
import report
import scenarios
from house import SAME, House
from loads import Ask, load
from peers import measure_peers
from processes import pinned, raise_descriptors
from scenarios import Effort
from slow_streams import slow_streams

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the gateway against the simulator.")
    parser.add_argument("--quick", action="store_true", help="less than a minute, and less to rely on")
    parser.add_argument("--peers", action="store_true", help="other gateways too, as far as they can be had")
    parser.add_argument("--rounds", type=int, help="of each figure (5, quick 1)")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="where the results go (%(default)s)")
    parser.add_argument("--name", default="last", help="what their files are called (%(default)s)")
    options = parser.parse_args()
    raise_descriptors()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped too
    effort = scenarios.QUICK if options.quick else scenarios.FULL
    if options.rounds:
        effort = msgspec.structs.replace(effort, rounds=options.rounds)
    with tempfile.TemporaryDirectory() as directory, House(Path(directory)) as house, pinned(house.others):
        run = measure(house, effort, peers=options.peers)
    print(report.as_markdown(run))
    for path in report.write(run, options.out, options.name):
        print(f"written: {path}", file=sys.stderr)
    return 0


def measure(house: House, effort: Effort, *, peers: bool) -> report.Run:
    units_us: list[float] = []
    gateway = house.gateway()
    idle = gateway.memory_bytes()
    tell("what each request and event costs")
    named = [(name, gateway, ask, events) for name, ask, events in [*scenarios.PLAIN, *scenarios.STREAMS]]
    costs = scenarios.costs(house, effort, named, units_us)
    logging = house.gateway(log="json")
    logged = scenarios.costs(
        house, effort, [(name, logging, ask, events) for name, ask, events in scenarios.PLAIN], units_us
    )
    tell("latency")
    added = scenarios.added_latency(house, gateway, effort)
    first = scenarios.first_event(house, gateway, effort)
    tell("workers, memory, start-up")
    workers = scenarios.by_workers(house, effort)
    load(gateway.port, Ask(SAME), 512, 1)
    under_load = gateway.memory_bytes()
    time.sleep(2)  # noqa: TID251 (no event loop here)
    memory = report.Memory(idle, under_load, gateway.memory_bytes())
    start_up_s = scenarios.start_up(house, effort)
    ceiling = scenarios.ceiling(house, effort)
    tell("slow streams")
    slow = slow_streams(house, house.gateway(), effort.streams, effort.streams_hold_s)
    found, skipped = [], {}
    if peers:
        tell("peers")
        found, skipped = measure_peers(house, gateway, effort, units_us)
    return report.Run(
        machine=machine(),
        unit_us=median(units_us),
        units_us=units_us,
        ceiling=ceiling,
        costs=costs,
        logged=logged,
        added=added,
        first_event_ms=first,
        workers=workers,
        memory=memory,
        start_up_s=start_up_s,
        slow=slow,
        peers=found,
        skipped=skipped,
    )


def machine() -> report.Machine:
    commit = subprocess.run(
        ["git", "-C", str(HERE), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return report.Machine(
        commit=commit.stdout.strip() or "an unknown commit",
        command=" ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        generator=scenarios.generator(),
    )


def tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
