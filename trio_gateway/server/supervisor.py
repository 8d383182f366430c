"""Keep several worker processes running: one per core, started, replaced and stopped together.

Each worker is a fresh interpreter (`argv`), not a fork: a fork would share the parent's random state, file descriptors
and whatever threads were holding, and could not pick up new code or configuration at a rolling restart. A socket pair
links the two: the worker writes a line when it accepts connections, and stops when the supervisor's end closes.
Workers get their own process group, so that a Ctrl-C in a terminal reaches them once, through the supervisor.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from trio_gateway.errors import GatewayError
from trio_gateway.server.listeners import refuse_taken_ports
from trio_gateway.server.worker import LINK, READY

log = logging.getLogger("trio_gateway.server.supervisor")

READY_S = 60.0
"""Seconds a worker has to accept connections, from its start."""

KILL_AFTER_DRAIN_S = 10.0
"""Seconds beyond `drain_s` that a worker gets to exit before it is killed: its application's own shutdown."""

KILLED_S = 5.0
"""Seconds to wait for killed workers to be gone."""

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
STEADY_S = 60.0
"""A worker that ran for so long has earned a restart without delay."""


@dataclass(frozen=True, kw_only=True)
class WorkerCommand:
    """How to start a worker, and what the supervisor must know of it."""

    argv: Sequence[str]
    workers: int
    drain_s: float
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    binds: Sequence[str] = ()
    """Where the workers will listen; refused at once if somebody else does."""


class WorkerFailed(GatewayError):
    """A worker did not come up. `exit_status` is what to exit with."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class WorkerProcess:
    """One started process."""

    def __init__(self, process: trio.Process, link: socket.socket) -> None:
        self.process = process
        self._link = link
        self.ready = False
        self._told = False

    @property
    def pid(self) -> int:
        return self.process.pid

    async def wait_ready(self) -> bool:
        """Wait until it accepts connections. False when it exits, or stays silent for `READY_S`, instead."""
        with trio.move_on_after(READY_S):
            await trio.lowlevel.wait_readable(self._link)
            try:
                self.ready = self._link.recv(len(READY)) == READY
            except OSError:
                pass
        return self.ready

    async def wait(self) -> int:
        """Its exit status, as a shell would give it: 128 and the number when a signal ended it."""
        status = await self.process.wait()
        return status if status >= 0 else 128 - status

    async def stop(self, drain_s: float) -> int:
        """Tell it to drain, and kill it if it does not come to its end. Being told twice would have it cut off."""
        if self.process.poll() is None and not self._told:
            self._told = True
            self.process.send_signal(signal.SIGTERM)
        with trio.move_on_after(drain_s + KILL_AFTER_DRAIN_S):
            return await self.wait()
        log.error("worker %d did not stop: killing it", self.pid)
        self.process.kill()
        return await self.wait()

    def close(self) -> None:
        if self._link.fileno() >= 0:
            trio.lowlevel.notify_closing(self._link)
            self._link.close()


async def start_worker(command: WorkerCommand) -> WorkerProcess:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        process = await trio.lowlevel.open_process(
            list(command.argv),
            env={**command.env, LINK: str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
    return WorkerProcess(process, ours)


class Supervisor:
    """One task a worker, for as long as it is to run. Its owner calls `stop`, `kill` and `roll`."""

    def __init__(self, command: WorkerCommand) -> None:
        self._command = command
        self._workers: dict[int, WorkerProcess] = {}  # by slot: the one that serves
        self._old: set[WorkerProcess] = set()  # replaced, draining
        self._stopping = trio.Event()
        self._rolling = False
        self._nursery: trio.Nursery | None = None
        self._status = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> int:
        """Start the workers and keep them until `stop`. Returns 0 if all that were told to stop exited with 0.

        Raises `WorkerFailed` when one fails before all were ready once: then the cause is not one that a restart
        mends. Cancelling kills the workers.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                async with trio.open_nursery() as starting:
                    for slot in range(self._command.workers):
                        starting.start_soon(self._start_first, slot)
                for slot in self._workers:
                    nursery.start_soon(self._keep, slot)
                task_status.started()
        except* WorkerFailed as failed:
            raise first_leaf(failed) from None
        finally:
            self.kill()
            with trio.move_on_after(KILLED_S, shield=True):  # noqa: ASYNC912 (without workers, nothing to wait for)
                for worker in self._all():
                    await worker.process.wait()
                    worker.close()
        return self._status

    def stop(self) -> None:
        """Let every worker drain, then return from `run`."""
        self._stopping.set()

    def kill(self) -> None:
        """End every worker now."""
        for worker in self._all():
            worker.process.kill()

    def _all(self) -> list[WorkerProcess]:
        return [*self._workers.values(), *self._old]

    def roll(self) -> None:
        """Replace every worker, one after the other: the new one is ready before the old one stops accepting."""
        if self._nursery is not None and not self._rolling and not self._stopping.is_set():
            self._rolling = True
            self._nursery.start_soon(self._roll)

    async def _start_first(self, slot: int) -> None:
        worker = await start_worker(self._command)
        self._workers[slot] = worker
        if not await self._ready_or_stopping(worker):
            worker.process.kill()
            status = await worker.wait()
            raise WorkerFailed(f"worker {worker.pid} did not start", status or 1)

    async def _ready_or_stopping(self, worker: WorkerProcess) -> bool:
        """False only when it failed."""
        ready = False
        async with trio.open_nursery() as nursery:

            async def wait_stopping() -> None:
                await self._stopping.wait()
                nursery.cancel_scope.cancel(reason="stopping")

            nursery.start_soon(wait_stopping)
            ready = await worker.wait_ready()
            nursery.cancel_scope.cancel(reason="known")
        return ready or self._stopping.is_set()

    async def _keep(self, slot: int) -> None:
        """See to it that this slot has a worker, until told to stop or another worker has taken the slot."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            worker = self._workers[slot]
            since = trio.current_time()
            status = await self._wait(worker)
            if self._workers[slot] is not worker:
                return  # it was replaced, and is seen off by `_retire`
            worker.close()
            if self._stopping.is_set():
                self._note(worker, status)
                return
            if trio.current_time() - since >= STEADY_S:
                backoff_s = BACKOFF_FIRST_S
            log.error("worker %d ended with status %d; restarting in %g s", worker.pid, status, backoff_s)
            with trio.move_on_after(backoff_s):
                await self._stopping.wait()
                return
            backoff_s = min(BACKOFF_MAX_S, backoff_s * 2)
            self._workers[slot] = await start_worker(self._command)

    async def _wait(self, worker: WorkerProcess) -> int:
        """Wait for its end; bring it about when it does not become ready, or when all are to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_in_time, worker)
            status = await worker.wait()
            nursery.cancel_scope.cancel(reason="the worker has ended")
        return status

    async def _stop_in_time(self, worker: WorkerProcess) -> None:
        if not worker.ready and not await self._ready_or_stopping(worker):
            worker.process.kill()
        await self._stopping.wait()
        await worker.stop(self._command.drain_s)

    async def _roll(self) -> None:
        try:
            for slot in list(self._workers):
                new = await start_worker(self._command)
                self._old.add(new)  # not serving yet, but to be killed with the others
                if not await self._ready_or_stopping(new) or self._stopping.is_set():
                    log.error("worker %d did not start; the others stay as they are", new.pid)
                    await self._retire(new)
                    return
                self._old.discard(new)
                old, self._workers[slot] = self._workers[slot], new
                self._old.add(old)
                assert self._nursery is not None
                self._nursery.start_soon(self._retire, old)
                self._nursery.start_soon(self._keep, slot)
        finally:
            self._rolling = False

    async def _retire(self, worker: WorkerProcess) -> None:
        self._note(worker, await worker.stop(self._command.drain_s))
        self._old.discard(worker)
        worker.close()

    def _note(self, worker: WorkerProcess, status: int) -> None:
        killed_while_starting = status == 128 + signal.SIGTERM and not worker.ready
        if status and not killed_while_starting:
            log.error("worker %d stopped with status %d", worker.pid, status)
            self._status = self._status or status


def first_leaf(group: BaseExceptionGroup[WorkerFailed]) -> WorkerFailed:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, WorkerFailed)
    return error


async def supervise(command: WorkerCommand, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> int:
    """Run the workers under this process's signals, and return the exit status. Call it from the main thread.

    SIGTERM or SIGINT drains them all, a second one kills them (128 and its number); SIGHUP replaces them one by one.
    Raises `ConfigError` when a port is taken, `WorkerFailed` when a worker does not come up at first.
    """
    refuse_taken_ports(command.binds)
    supervisor = Supervisor(command)
    status = killed = 0
    failed: WorkerFailed | None = None

    async def obey(signals: AsyncIterator[int]) -> None:
        nonlocal killed
        told = False
        async for number in signals:
            if number == signal.SIGHUP:
                supervisor.roll()
            elif not told:
                told = True
                supervisor.stop()
            else:
                killed = 128 + number
                supervisor.kill()

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obey, signals)
            try:
                status = await supervisor.run(task_status=task_status)
            except WorkerFailed as error:
                failed = error  # raised outside of the nursery, which would wrap it
            nursery.cancel_scope.cancel(reason="the workers have stopped")
    if failed is not None:
        raise failed
    return killed or status
