"""Worker processes: started, replaced, restarted and stopped, as their clients and their parents see it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from trio_gateway.errors import ConfigError
from trio_gateway.server import supervisor as supervisor_module
from trio_gateway.server.supervisor import Supervisor, WorkerCommand, WorkerFailed, supervise

SCRIPT = str(Path(__file__).with_name("worker_script.py"))


@pytest.fixture
def port():
    """A port that is ours for as long as the test runs: bound, but nobody listens here."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def command(port: int, *extra: str, workers: int = 2, drain_s: float = 30) -> WorkerCommand:
    argv = [sys.executable, SCRIPT, f"127.0.0.1:{port}", "2", *extra]
    return WorkerCommand(argv=argv, workers=workers, drain_s=drain_s)


class Outcome:
    """How it ended, once it has."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.known = trio.Event()


@asynccontextmanager
async def supervising(worker_command: WorkerCommand):
    """A supervisor whose workers are ready; stopped, and its status kept, in the end."""
    supervisor = Supervisor(worker_command)
    outcome = Outcome()
    async with trio.open_nursery() as nursery:

        async def run(task_status) -> None:
            outcome.status = await supervisor.run(task_status=task_status)
            outcome.known.set()

        with trio.fail_after(60):  # turns a hang into a failure
            await nursery.start(run)
            yield supervisor, outcome
            supervisor.stop()
            await outcome.known.wait()


async def ask(port: int, path: str = "/") -> bytes:
    """The body of one answer; empty if the worker ended instead."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        try:
            await stream.send_all(b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % path.encode())
            answer = b"".join([bytes(part) async for part in stream])
        except trio.BrokenResourceError:
            return b""
    return answer.partition(b"\r\n\r\n")[2]


async def pids_behind(port: int, count: int) -> set[int]:
    """Ask until so many workers have answered."""
    pids: set[int] = set()
    while len(pids) < count:
        pids.add(int(await ask(port)))
    return pids


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_all_workers_are_ready_when_it_says_so_and_stop_with_status_0(port):
    async with supervising(command(port)) as (supervisor, outcome):
        assert len(await pids_behind(port, 2)) == 2
        supervisor.stop()
        await outcome.known.wait()
        with pytest.raises(OSError, match="connect"):
            await ask(port)
    assert outcome.status == 0


async def test_a_worker_that_crashes_is_replaced(port, monkeypatch, caplog):
    monkeypatch.setattr(supervisor_module, "BACKOFF_FIRST_S", 0.001)
    async with supervising(command(port, workers=1)) as (_, outcome):
        before = await ask(port)
        assert await ask(port, "/crash") == b""
        after = b""
        while not after:
            try:
                after = await ask(port)
            except OSError:
                pass  # nobody listens yet
        assert after != before
    assert outcome.status == 0
    assert "ended with status 7" in caplog.text


async def test_a_worker_that_fails_at_first_is_not_tried_again_and_its_status_is_told(port):
    with pytest.raises(WorkerFailed) as caught:
        await Supervisor(command(port, "fail at start")).run()
    assert caught.value.exit_status == 3


async def test_a_worker_that_does_not_become_ready_in_time_is_killed(port, monkeypatch):
    monkeypatch.setattr(supervisor_module, "READY_S", 0.01)
    with pytest.raises(WorkerFailed) as caught:
        await Supervisor(command(port, "hang at start")).run()
    assert caught.value.exit_status == 128 + signal.SIGKILL


async def test_a_rolling_restart_replaces_every_worker_and_the_port_stays_open(port):
    async with supervising(command(port)) as (supervisor, outcome):
        before = await pids_behind(port, 2)
        supervisor.roll()
        while any(map(is_there, before)):
            await ask(port)  # raises if nobody listens
        assert not await pids_behind(port, 2) & before
    assert outcome.status == 0


async def test_a_running_exchange_outlives_the_rolling_restart_of_its_worker(port):
    async with supervising(command(port, workers=1)) as (supervisor, _):
        before = int(await ask(port))
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
            await stream.receive_some()
            supervisor.roll()
            while await ask(port) in (b"%d" % before, b""):
                pass  # the new one is starting, or the signal on its way to the old one
            assert is_there(before)
        while is_there(before):
            await ask(port)  # its client left: nothing keeps it


async def test_a_rolling_restart_whose_new_worker_fails_leaves_the_old_ones(port, tmp_path, caplog):
    broken = tmp_path / "broken"
    async with supervising(command(port, f"file:{broken}")) as (supervisor, _):
        before = await pids_behind(port, 2)
        broken.touch()
        supervisor.roll()
        while "stay as they are" not in caplog.text:
            assert int(await ask(port)) in before
        assert await pids_behind(port, 2) == before


async def test_kill_ends_what_a_drain_waits_for(port):
    async with supervising(command(port, workers=1, drain_s=3600)) as (supervisor, outcome):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
            await stream.receive_some()
            supervisor.stop()
            await trio.testing.wait_all_tasks_blocked()
            assert outcome.status is None
            supervisor.kill()
            await outcome.known.wait()
    assert outcome.status == 128 + signal.SIGKILL


async def test_a_worker_that_does_not_stop_is_killed(port, monkeypatch, caplog):
    monkeypatch.setattr(supervisor_module, "KILL_AFTER_DRAIN_S", 0.0)
    async with supervising(command(port, workers=1, drain_s=0.01)) as (supervisor, outcome):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
            await stream.receive_some()
            supervisor.stop()
            await outcome.known.wait()
    assert outcome.status == 128 + signal.SIGKILL
    assert "killing it" in caplog.text


async def test_cancelling_it_leaves_no_worker_behind(port):
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor(command(port)).run)
        pids = await pids_behind(port, 2)
        nursery.cancel_scope.cancel(reason="the test is over")
    assert not any(map(is_there, pids))


async def test_two_gateways_cannot_share_a_port_by_mistake():
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match="cannot listen"):
            await supervise(WorkerCommand(argv=["false"], workers=2, drain_s=1, binds=[bind]))


SUPERVISOR = """
import sys, trio
from trio_gateway.server.supervisor import WorkerCommand, supervise

class Say:
    def started(self):
        print("ready", flush=True)

command = WorkerCommand(argv=[sys.executable, *sys.argv[1:]], workers=2, drain_s=3600)
sys.exit(trio.run(lambda: supervise(command, task_status=Say())))
"""


@asynccontextmanager
async def supervisor_process(port: int):
    """The signals' shell, in a process of its own, serving."""
    argv = [sys.executable, "-c", SUPERVISOR, SCRIPT, f"127.0.0.1:{port}", "2"]
    process = await trio.lowlevel.open_process(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        with trio.fail_after(60):
            assert (await process.stdout.receive_some()).startswith(b"ready")
            yield process
    finally:
        process.kill()
        await process.wait()
        await process.stdout.aclose()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_all_workers_and_the_status_is_0(port, number):
    async with supervisor_process(port) as process:
        process.send_signal(number)
        assert await process.wait() == 0


async def test_a_second_signal_kills_them_and_the_status_says_so(port):
    async with supervisor_process(port) as process, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
        await stream.receive_some()
        process.send_signal(signal.SIGTERM)
        while True:
            try:
                await ask(port)
            except OSError:
                break  # both have stopped accepting: they were told
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM


async def test_sighup_replaces_the_workers(port):
    async with supervisor_process(port) as process:
        before = await ask(port)
        process.send_signal(signal.SIGHUP)
        while await ask(port) == before:
            pass
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_workers_stop_when_their_supervisor_is_killed(port):
    async with supervisor_process(port) as process:
        process.kill()
        await process.wait()
        while True:
            try:
                await ask(port)
            except OSError:
                break
