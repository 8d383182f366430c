from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from peers import BESIDE
from report import Machine, Memory, Run, as_markdown, targets, write
from scenarios import PLAIN, STREAM_EVENTS, STREAMS, Added, Cost, Workers, _median_cost
from slow_streams import SlowStreams

MS = {"p50": 0.2, "p90": 0.3, "p99": 0.4, "p99.9": 0.5}


def made(**changes: object) -> Run:
    """A run that meets every target."""
    names = [(name, 1) for name, *_ in PLAIN] + [(name, STREAM_EVENTS) for name, *_ in STREAMS]
    costs = [Cost(name, 10.0 * events, 0.3 * events, 1000, 0, events) for name, events in names]
    run = Run(
        Machine("abc1234", "run.py", 2, "3.11", "load by sockets of our own"),
        30.0,
        [29.0, 31.0],
        {"plain": 9000.0},
        costs,
        [],
        [Added(1, MS, {name: value + 0.1 for name, value in MS.items()}, 100, 90)],
        {"direct": MS},
        [Workers(1, 2000, 150), Workers(2, 4000, 150)],
        Memory(40_000_000, 50_000_000, 50_000_000),
        1.5,
        SlowStreams(1000, 1000, 40_000_000, 60_000_000, 60_000_000, 19_000, MS, MS, 0.01, 0, 0),
    )
    return msgspec.structs.replace(run, **changes)


def test_every_target_is_held_against_what_was_measured() -> None:
    assert all(target.met for target in targets(made()))
    assert len(targets(made())) == 8


def test_a_target_that_is_missed_says_so() -> None:
    slow = made(added=[Added(1, MS, {name: value + 1 for name, value in MS.items()}, 100, 90)])
    assert [target.what for target in targets(slow) if not target.met] == ["added p50 at concurrency 1"]
    plain, *others = made().costs
    dear = made(costs=[msgspec.structs.replace(plain, units=4.01), *others])
    assert [target.what for target in targets(dear) if not target.met] == ["plain request, same dialect"]


@pytest.mark.parametrize(("theirs_us", "met"), [(120.0, True), (119.0, False)])
def test_the_obvious_gateway_is_to_cost_twelve_times_as_much(theirs_us: float, met: bool) -> None:
    peers = [
        Cost("obvious: plain, same dialect", theirs_us, 1, 1, 0),
        Cost(f"{BESIDE}obvious: plain, same dialect", 10.0, 1, 1, 0),
    ]
    *_, last = targets(made(peers=peers))
    assert (last.what, last.met) == ("requests a core-second, against the obvious", met)


def test_a_peer_that_was_not_measured_is_no_target() -> None:
    alone = [Cost("obvious: plain, same dialect", 120, 1, 1, 0)]
    assert len(targets(made(peers=alone))) == len(targets(made()))


def test_the_tables_are_tables() -> None:
    text = as_markdown(made(skipped={"smg": "not installed"}))
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
        assert len({len(row) for row in rows}) <= 1
    assert "- smg: skipped, not installed" in text
    assert "| 1 worker, cores" in text
    assert "| 2 workers, cores" in text


def test_failures_are_shown_beside_the_cost() -> None:
    plain, *others = made().costs
    assert "3 failed" in as_markdown(made(costs=[msgspec.structs.replace(plain, failed=3), *others]))
    assert "failed" not in as_markdown(made())


def test_a_run_is_written_so_that_it_can_be_read_again(tmp_path: Path) -> None:
    document, tables, *_ = write(made(), tmp_path / "new", "last")
    assert msgspec.json.decode(document.read_bytes(), type=Run) == made()
    assert tables.read_text("utf-8") == as_markdown(made())


def test_of_several_rounds_the_median_counts_and_failures_add_up() -> None:
    rounds = [Cost("a", cpu_us, cpu_us / 10, 1000 - cpu_us, failed) for cpu_us, failed in ((30, 1), (10, 0), (20, 2))]
    cost = _median_cost(rounds)
    assert (cost.cpu_us, cost.units, cost.per_second, cost.failed) == (20, 2, 980, 3)
