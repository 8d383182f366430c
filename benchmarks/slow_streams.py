"""Thousands of streams that say little, on one worker: what one costs in memory, and what they do to everyone else."""

from __future__ import annotations

import select
import socket
import time

import msgspec
from house import SAME, House
from loads import Ask, connect, in_turns
from processes import Server, raise_descriptors

GAP_S = 10  # between two events of one stream
CHUNKS = 20  # of one stream: enough to outlast the run
SPARE_DESCRIPTORS = 200
PER_SOURCE = 5_000  # connections from one loopback address
OPENING_MAX = 200  # asked, and not answered yet
OPEN_S = 60.0


class SlowStreams(msgspec.Struct):
    """Memory is the gateway process's, resident; what the kernel holds for sockets is not in it."""

    streams: int
    wanted: int
    memory_idle_bytes: int
    memory_open_bytes: int
    memory_after_bytes: int
    per_stream_bytes: float
    alone_ms: dict[str, float]
    beside_ms: dict[str, float]
    cpu_share: float
    events: int
    broken: int
    note: str = ""


def slow_streams(house: House, gateway: Server, wanted: int, hold_s: float) -> SlowStreams:
    """Open the streams, hold them, and ask plain requests beside them; then let go, and look at what is left."""
    # A stream is two descriptors in the gateway, and one here.
    limit = raise_descriptors()
    streams = min(wanted, (limit - SPARE_DESCRIPTORS) // 2)
    note = ""
    if streams < wanted:
        needed = 2 * wanted + SPARE_DESCRIPTORS
        note = f"{streams} streams, and not {wanted}: the hard limit of open files is {limit}, and {needed} are needed"
    plain = [(gateway.port, Ask(SAME))]
    alone = in_turns(plain, hold_s / 4)[0].whole_ms
    before = gateway.memory_bytes()
    crowd = Crowd(gateway.port)
    try:
        crowd.open(streams)
        opened = gateway.memory_bytes()
        cpu_s, begun_s = gateway.cpu_s(), time.perf_counter()
        crowd.listen(hold_s)
        share = (gateway.cpu_s() - cpu_s) / (time.perf_counter() - begun_s)
        beside = in_turns(plain, hold_s / 4)[0].whole_ms
        events, broken, held = crowd.events, crowd.broken, crowd.answered
    finally:
        crowd.close()
    _settle(gateway)
    if held < streams:
        note = (note + "; " if note else "") + f"{streams - held} were not answered"
    per_stream = (opened - before) / max(1, held)
    after = gateway.memory_bytes()
    return SlowStreams(
        held, wanted, before, opened, after, per_stream, alone, beside, share, events, broken, note
    )  # fmt: skip


def _settle(gateway: Server) -> None:
    """Wait until the gateway has nothing left to do: until it has used no CPU for a while."""
    used_s, quiet = gateway.cpu_s(), 0
    deadline_s = time.perf_counter() + 20
    while quiet < 3 and time.perf_counter() < deadline_s:
        time.sleep(0.3)  # noqa: TID251 (no event loop here)
        quiet = quiet + 1 if gateway.cpu_s() - used_s <= 0.02 else 0
        used_s = gateway.cpu_s()


class Crowd:
    """Clients of slow streams. `open` them, `listen` for as long as they are to last, and `close` them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._waiting: set[int] = set()
        self.answered = self.broken = self.events = 0

    def open(self, streams: int) -> None:
        request = Ask(SAME, True, f"hi there [sim: chunks={CHUNKS} gap_ms={GAP_S * 1000}]").bytes()
        deadline_s = time.perf_counter() + OPEN_S
        for index in range(streams):
            client = connect(self._port, f"127.0.0.{1 + index // PER_SOURCE}")
            client.send(request)
            client.setblocking(False)
            self._sockets[client.fileno()] = client
            self._waiting.add(client.fileno())
            self._poll.register(client.fileno(), select.EPOLLIN)
            while len(self._waiting) > OPENING_MAX and time.perf_counter() < deadline_s:
                self._turn(0.1)
        while self._waiting and time.perf_counter() < deadline_s:
            self._turn(0.1)

    def listen(self, hold_s: float) -> None:
        ends_s = time.perf_counter() + hold_s
        while (left_s := ends_s - time.perf_counter()) > 0:
            self._turn(left_s)

    def close(self) -> None:
        for client in self._sockets.values():
            client.close()
        self._poll.close()

    def _turn(self, timeout_s: float) -> None:
        for descriptor, _ in self._poll.poll(timeout_s, 1024):
            try:
                data = self._sockets[descriptor].recv(65_536)
            except OSError:
                data = b""
            if data:
                self.events += data.count(b"data: ")
                if descriptor in self._waiting:
                    self._waiting.discard(descriptor)
                    self.answered += data.startswith(b"HTTP/1.1 200")
            else:
                self.broken += 1
                self._waiting.discard(descriptor)
                self._poll.unregister(descriptor)
