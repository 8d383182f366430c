"""Servers under measurement: started, pinned, watched through /proc, and stopped. Linux only."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

DESCRIPTORS = 65_536
READY_S = 60.0
STOP_S = 10.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class NotReady(Exception):
    """A server did not come up. Says what it printed last."""


class Server:
    """A process, its children, and the port it answers on."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        *,
        log: Path,
        cores: set[int] | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.port = port
        self._log = log
        self._output: IO[bytes] = log.open("wb")
        self.started_s = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env={**os.environ, **(environ or {})},
            cwd=cwd,
            preexec_fn=lambda: _prepare(cores),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_ready(self, request: bytes | None = None) -> float:
        """Return the seconds from exec to the first answer to `request`, or to an accepted connection."""
        while time.perf_counter() - self.started_s < READY_S:
            if self._process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
                    if request is not None:
                        client.sendall(request)
                        if not client.recv(65_536).startswith(b"HTTP/1.1 200"):
                            raise ConnectionRefusedError
                return time.perf_counter() - self.started_s
            except OSError:
                time.sleep(0.002)  # noqa: TID251 (no event loop here)
        tail = self._log.read_text("utf-8", "replace")[-600:]
        self.stop()
        raise NotReady(f"no answer on port {self.port}: {tail.strip()}")

    def cpu_s(self) -> float:
        """User and system time of the process and its children so far. To one tick of the kernel's."""
        return sum(_cpu_s(pid) for pid in self._tree())

    def memory_bytes(self) -> int:
        """Resident memory of the tree; what its processes share is counted once."""
        return sum(_memory_bytes(pid) for pid in self._tree())

    def children(self) -> list[int]:
        """The processes it has started, and theirs."""
        return self._tree()[1:]

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)  # its own session: nobody else is in it
                self._process.wait()
        self._output.close()

    def _tree(self) -> list[int]:
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (OSError, ValueError, IndexError):
                    continue
                parents.setdefault(parent, []).append(int(entry.name))
        tree = [self._process.pid]
        for pid in tree:
            tree += parents.get(pid, [])
        return tree


def _prepare(cores: set[int] | None) -> None:
    if cores:
        os.sched_setaffinity(0, cores)
    raise_descriptors()


def raise_descriptors() -> int:
    """Raise the limit of open descriptors as far as allowed. Returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for soft, ceiling in ((DESCRIPTORS, max(DESCRIPTORS, hard)), (min(DESCRIPTORS, hard), hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, ceiling))
            return soft
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _memory_bytes(pid: int) -> int:
    for path, key in ((f"/proc/{pid}/smaps_rollup", "Pss:"), (f"/proc/{pid}/status", "VmRSS:")):
        try:
            for line in Path(path).read_text().splitlines():
                if line.startswith(key):
                    return int(line.split()[1]) * 1024
        except OSError:
            continue
    return 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def pinned(cores: set[int] | None) -> Iterator[None]:
    """Run the block, and what it starts, on these cores; None: on any."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


PYTHON = sys.executable
