"""Requests at a given concurrency, closed loop: `wrk` where it is installed, sockets and an epoll of our own otherwise.

Ours also measures what wrk does not: the first byte of an answer, and requests to two servers in turns.
"""

from __future__ import annotations

import json
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import msgspec

TOKEN = "bench-0123456789"  # noqa: S105 (nothing it would open exists)
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Load(msgspec.Struct):
    """What one server was asked, and what it felt."""

    requests: int
    failed: int
    duration_s: float
    ms: dict[str, float]

    @property
    def per_second(self) -> float:
        return self.requests / self.duration_s if self.duration_s else 0.0


class Ask(msgspec.Struct, frozen=True):
    """One request, always the same. `headers` are the peer's own, beside the usual ones."""

    model: str
    stream: bool = False
    prompt: str = "hi there"
    headers: tuple[tuple[str, str], ...] = ()
    path: str = "/v1/chat/completions"

    @property
    def body(self) -> bytes:
        asked: dict[str, object] = {"model": self.model}
        if self.stream:
            asked["stream"] = True
        return json.dumps({**asked, "messages": [{"role": "user", "content": self.prompt}]}).encode()

    @property
    def all_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", **dict(self.headers)}

    def bytes(self) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.all_headers.items())
        head = f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{lines}content-length: {len(self.body)}\r\n\r\n"
        return head.encode() + self.body


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def load(port: int, ask: Ask, concurrency: int, duration_s: float, *, threads: int = 1) -> Load:
    """Keep `concurrency` requests under way for `duration_s`."""
    return _wrk(port, ask, concurrency, duration_s, threads) if has_wrk() else drive(port, ask, concurrency, duration_s)


_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"us":%d,"failed":%d,"p50":%f,"p90":%f,"p99":%f,"p99.9":%f}\\n',
    summary.requests, summary.duration, e.status + e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9)))
end
"""


def _wrk(port: int, ask: Ask, concurrency: int, duration_s: float, threads: int) -> Load:
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(ask.body.decode())}"]
    lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in ask.all_headers.items()]
    seconds = max(1, round(duration_s))  # wrk runs whole seconds
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines) + _DONE)
        script.flush()
        command = ["wrk", f"-t{threads}", f"-c{concurrency}", f"-d{seconds}", "--timeout", "30", "-s", script.name]
        url = f"http://127.0.0.1:{port}{ask.path}"
        return read_wrk(subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout)


def read_wrk(printed: str) -> Load:
    """Return what the script above has wrk print, in microseconds, among its own figures."""
    found = re.search(r"RESULT (.*)", printed)
    assert found is not None, printed
    figures = json.loads(found[1])
    ms = {name: figures[name] / 1000 for name in SHARES}
    return Load(figures["requests"], figures["failed"], figures["us"] / 1e6, ms)


class _Client:
    """One keep-alive connection. Times are perf_counter's seconds."""

    __slots__ = ("begun_s", "first_s", "head", "left", "socket", "tail")

    def __init__(self, port: int, source: str | None = None) -> None:
        self.socket = connect(port, source)
        self.begun_s = self.first_s = 0.0
        self.head = b""
        self.left: int | None = None
        self.tail = b""

    def ask(self, request: bytes) -> None:
        self.head = self.tail = b""
        self.left = None
        self.first_s = 0.0
        self.begun_s = time.perf_counter()
        self.socket.send(request)

    def take(self, data: bytes) -> bool:
        """Take in what arrived. Returns whether the answer is whole; raises ConnectionError at an end before that."""
        if not data:
            raise ConnectionError("the connection ended in mid-answer")
        self.first_s = self.first_s or time.perf_counter()
        if self.left is None and not self.tail:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return False
            data = self.head[end + 4 :]
            found = _LENGTH.search(self.head, 0, end + 2)
            self.left = int(found[1]) if found else None
            self.tail = b" "
        if self.left is not None:
            self.left -= len(data)
            return self.left <= 0
        self.tail = (self.tail + data)[-7:]
        return self.tail.endswith(b"\r\n0\r\n\r\n")

    @property
    def ok(self) -> bool:
        return self.head.startswith(b"HTTP/1.1 200")


def connect(port: int, source: str | None = None) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if source is not None:
        client.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        client.bind((source, 0))
    client.connect(("127.0.0.1", port))
    return client


def drive(port: int, ask: Ask, concurrency: int, duration_s: float, *, requests: int = sys.maxsize) -> Load:
    """Our own closed loop, in this process: for `duration_s`, or until there were so many answers or failures.

    A connection that ends before an answer is whole is a failure, and another takes its place.
    """
    request = ask.bytes()
    poll = select.epoll()
    clients: dict[int, _Client] = {}
    times_s: list[float] = []
    failed = lost = 0

    def open_another() -> None:
        client = _Client(port)
        clients[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)
        client.ask(request)

    begun_s = time.perf_counter()
    ends_s = begun_s + duration_s
    try:
        for _ in range(concurrency):
            open_another()
        while len(times_s) + lost < requests and (now_s := time.perf_counter()) < ends_s:
            for descriptor, _ in poll.poll(ends_s - now_s):
                client = clients[descriptor]
                try:
                    if client.take(client.socket.recv(262_144)):
                        times_s.append(time.perf_counter() - client.begun_s)
                        failed += not client.ok
                        client.ask(request)
                except ConnectionError:
                    lost += 1
                    del clients[descriptor]
                    client.socket.close()  # which takes it out of the poll as well
                    open_another()
    finally:
        elapsed_s = time.perf_counter() - begun_s
        poll.close()
        for client in clients.values():
            client.socket.close()
    return Load(len(times_s), failed + lost, elapsed_s, percentiles_ms(times_s))


class Turns(msgspec.Struct):
    """Requests to several servers in turns, one at a time: the first byte of each answer, and the whole of it."""

    first_ms: dict[str, float]
    whole_ms: dict[str, float]


def in_turns(servers: Sequence[tuple[int, Ask]], duration_s: float) -> list[Turns]:
    """Ask each server in turn, one request after the other, so that what disturbs the machine disturbs all alike."""
    clients = [(_Client(port), ask.bytes()) for port, ask in servers]
    first: list[list[float]] = [[] for _ in servers]
    whole: list[list[float]] = [[] for _ in servers]
    ends_s = time.perf_counter() + duration_s
    while time.perf_counter() < ends_s:
        for (client, request), firsts, wholes in zip(clients, first, whole, strict=True):
            client.ask(request)
            while not client.take(client.socket.recv(262_144)):
                pass
            firsts.append(client.first_s - client.begun_s)
            wholes.append(time.perf_counter() - client.begun_s)
    for client, _ in clients:
        client.socket.close()
    return [Turns(percentiles_ms(a), percentiles_ms(b)) for a, b in zip(first, whole, strict=True)]


def percentiles_ms(times_s: list[float]) -> dict[str, float]:
    """Nearest rank, in milliseconds."""
    ordered = sorted(times_s)
    if not ordered:
        return dict.fromkeys(SHARES, float("nan"))
    return {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 for name, share in SHARES.items()}
