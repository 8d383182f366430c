"""What the soak makes of what it saw."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from processes import Server
from soak import Figures, Outside, Victim, note_losses, read_log, table, write_config
from soak_load import MODELS, Loss, Tally

from trio_gateway.config import load


def figures() -> Figures:
    return Figures(100, "seed", 8, Tally(), Tally())


def lost(port: int, opened_s: float) -> Loss:
    return Loss(f"chat on {port}", port, opened_s, opened_s + 1)


def outside(seen: Figures) -> Outside:
    server: Any = Server.__new__(Server)
    return Outside(seen, server, 1, "http://127.0.0.1:1")


def test_a_killed_worker_explains_what_was_connected_to_it_and_nothing_later() -> None:
    victim = Victim({5, 6}, killed_s=10.0)
    assert victim.explains(lost(5, 9.0))
    assert victim.explains(lost(6, 10.0))
    assert not victim.explains(lost(5, 10.5))  # the port again, for a connection to another worker
    assert not victim.explains(lost(7, 9.0))


def test_losses_that_no_killed_worker_explains_are_failures() -> None:
    seen = figures()
    watch = outside(seen)
    watch._victims.append(Victim({5}, killed_s=10.0))
    seen.tally.losses += [lost(5, 9.0), lost(5, 11.0), lost(6, 9.0)]
    watch._check_losses()
    assert seen.excused == 1
    (failure,) = seen.failures
    assert failure.startswith("2 exchanges were lost with two workers")
    assert failure.count("chat on") == 2


def test_no_losses_are_no_failure() -> None:
    seen = figures()
    note_losses(seen, [], "anywhere")
    assert seen.failures == []


@pytest.mark.parametrize(("end", "failed"), [(104, False), (106, True), (90, False)])
def test_memory_may_grow_a_twentieth_over_its_plateau(end: int, failed: bool) -> None:
    seen = figures()
    watch = outside(seen)
    # While it warms up, and in between, it may be what it likes.
    watch._samples += [(at / 100, 1 if at < 40 else 100 if at < 60 else 999 if at < 80 else end) for at in range(100)]
    watch._measure_growth()
    assert (seen.plateau_bytes, seen.end_bytes) == (100, end)
    assert bool(seen.failures) is failed


def test_growth_from_nothing_is_none() -> None:
    assert figures().growth == 0


def test_exchanges_are_counted_and_errors_are_failures(tmp_path: Path) -> None:
    def record(**members: str) -> str:
        return json.dumps(members)

    well = [
        record(event="exchange", outcome="ok"),
        record(event="exchange", outcome="cancelled"),
        record(event="log", level="warning", message="slow"),
        record(event="log", level="error", message="worker 7 ended with status 137"),
    ]
    path = tmp_path / "log"
    path.write_text("\n".join(well))
    seen = figures()
    read_log(seen, path)
    assert (seen.exchanges_logged, seen.log_errors, seen.failures) == (2, 0, [])

    wrong = [
        record(event="exchange", outcome="gateway_error"),
        record(event="log", level="error", message="worker 7 ended with status 1"),
        "Traceback (most recent call last):",
    ]
    path.write_text("\n".join(well + wrong))
    seen = figures()
    read_log(seen, path)
    assert (seen.exchanges_logged, seen.log_errors) == (3, 3)
    assert all(line in seen.failures[0] for line in wrong)


def test_the_configuration_it_writes_is_one_and_serves_every_model(tmp_path: Path) -> None:
    config = load(write_config(tmp_path / "gateway.toml", "http://127.0.0.1:9", 8), {})
    assert config.server.bind == "127.0.0.1:8"
    assert sorted(model for channel in config.channels.values() for model in channel.models) == sorted(MODELS)


def test_the_table_says_what_was_done() -> None:
    seen = figures()
    seen.tally.done = Counter({"plain": 2, "leave": 3})
    seen.tally.statuses = Counter({200: 2})
    rows = [line for line in table(seen).splitlines() if line.startswith("| ")]
    assert "| exchanges and misdeeds | 5 | {'plain': 2, 'leave': 3} |" in rows
    assert {row.count("|") for row in rows} == {4}
