"""A process that serves by itself: its signals and its exit status."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from trio_gateway.server.worker import LINK, READY

SCRIPT = str(Path(__file__).with_name("worker_script.py"))
HANG = b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n"


@asynccontextmanager
async def worker(path: Path):
    """A worker on a unix socket that has said it is ready, and its supervisor's end of the link."""
    ours, theirs = socket.socketpair()
    argv = [sys.executable, SCRIPT, f"unix:{path}", "1"]
    with ours:
        with theirs:
            process = await trio.lowlevel.open_process(
                argv, env={LINK: str(theirs.fileno())}, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        try:
            with trio.fail_after(60):  # turns a hang into a failure
                await trio.lowlevel.wait_readable(ours)
                assert ours.recv(100) == READY
                yield process, ours
        finally:
            process.kill()
            await process.wait()


async def refused(path: Path) -> None:
    """Knock until nobody opens: then the drain has begun."""
    while True:
        try:
            await (await trio.open_unix_socket(str(path))).aclose()
        except OSError:
            return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains_and_the_status_is_0(tmp_path, number):
    async with worker(tmp_path / "s") as (process, _), await trio.open_unix_socket(str(tmp_path / "s")) as stream:
        await stream.send_all(HANG)
        await stream.receive_some()
        process.send_signal(number)
        await stream.aclose()  # the exchange the drain waits for ends with its client
        assert await process.wait() == 0
    assert not (tmp_path / "s").exists()


async def test_the_second_signal_cancels_and_the_status_says_so(tmp_path):
    async with worker(tmp_path / "s") as (process, _), await trio.open_unix_socket(str(tmp_path / "s")) as stream:
        await stream.send_all(HANG)
        await stream.receive_some()
        process.send_signal(signal.SIGTERM)
        await refused(tmp_path / "s")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM


async def test_it_drains_when_the_supervisors_end_of_the_link_closes(tmp_path):
    async with worker(tmp_path / "s") as (process, link):
        link.close()
        assert await process.wait() == 0


async def test_sighup_does_not_end_it(tmp_path):
    async with worker(tmp_path / "s") as (process, _):
        process.send_signal(signal.SIGHUP)
        async with await trio.open_unix_socket(str(tmp_path / "s")) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await stream.receive_some()).endswith(b"%d" % process.pid)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
