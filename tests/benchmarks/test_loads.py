"""The load generator of our own against a small server on loopback: what it counts, not how fast."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
from loads import SHARES, TOKEN, Ask, Load, drive, percentiles_ms, read_wrk

ASK = Ask("m")
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\n{}"
LIMIT_S = 60.0  # never reached: a count of answers ends each of these loads


class Served:
    """What the server saw. `pieces` says how the answer to the nth request of a connection is written; b"" ends it."""

    def __init__(self, pieces: Callable[[int], list[bytes]]) -> None:
        self.pieces = pieces
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        size, count, buffer = len(ASK.bytes()), 0, b""
        try:
            while data := await stream.receive_some(65_536):
                buffer += data
                if len(buffer) < size:
                    continue
                self.requests.append(buffer)
                pieces, buffer, count = self.pieces(count), b"", count + 1
                for piece in pieces:
                    if not piece:
                        return
                    await stream.send_all(piece)
        except trio.BrokenResourceError:
            pass  # the load has ended

    async def run(self, ready: threading.Event, stop: trio.Event) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                lambda task_status: trio.serve_tcp(self.serve, 0, host="127.0.0.1", task_status=task_status)
            )
            self.port = listeners[0].socket.getsockname()[1]
            ready.set()
            await stop.wait()
            nursery.cancel_scope.cancel()


@contextmanager
def served(pieces: Callable[[int], list[bytes]]) -> Iterator[Served]:
    """Serve from another thread: the load blocks its own."""
    server, ready, holder = Served(pieces), threading.Event(), []

    async def main() -> None:
        stop = trio.Event()
        holder.append((trio.lowlevel.current_trio_token(), stop))
        await server.run(ready, stop)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        token, stop = holder[0]
        token.run_sync_soon(stop.set)
        thread.join()


@pytest.mark.parametrize(
    "pieces",
    [[WHOLE], [CHUNKED], [EMPTY], [WHOLE[:5], WHOLE[5:-1], WHOLE[-1:]], [CHUNKED[:-3], CHUNKED[-3:]]],
    ids=["at once", "chunked", "empty", "in pieces", "chunked, in pieces"],
)
def test_answers_are_counted_on_connections_that_are_kept(pieces: list[bytes]) -> None:
    with served(lambda _: pieces) as server:
        load = drive(server.port, ASK, 3, LIMIT_S, requests=30)
    assert 30 <= load.requests <= 32  # one look at the sockets may find several whole
    assert load.failed == 0
    assert server.connections == 3
    assert load.requests <= len(server.requests) <= load.requests + 3
    assert set(server.requests) == {ASK.bytes()}
    assert load.duration_s > 0
    assert load.per_second == load.requests / load.duration_s
    assert 0 < load.ms["p50"] <= load.ms["p99.9"]


def test_an_answer_of_another_status_is_an_answer_and_a_failure() -> None:
    with served(lambda count: [BUSY if count % 2 else WHOLE]) as server:
        load = drive(server.port, ASK, 1, LIMIT_S, requests=10)
    assert (load.requests, load.failed) == (10, 5)
    assert server.connections == 1


@pytest.mark.parametrize("cut", [[b""], [WHOLE[:-1], b""]], ids=["before the answer", "in the middle of it"])
def test_a_connection_that_ends_is_a_failure_and_another_takes_its_place(cut: list[bytes]) -> None:
    with served(lambda count: cut if count == 2 else [WHOLE]) as server:
        load = drive(server.port, ASK, 1, LIMIT_S, requests=9)
    assert (load.requests, load.failed) == (6, 3)
    assert server.connections == 4


def test_a_request_is_whole_and_says_how_long_it_is() -> None:
    ask = Ask("m", stream=True, prompt="hé", headers=(("x-peer", "1"),), path="/v1/x")
    head, _, body = ask.bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/x HTTP/1.1"
    assert {f"authorization: Bearer {TOKEN}", "x-peer: 1", f"content-length: {len(body)}"} < set(lines)
    assert json.loads(body) == {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hé"}]}


def test_what_wrk_prints_is_read_in_its_units() -> None:
    printed = """Running 1s test @ http://127.0.0.1:1/v1/chat/completions
  Requests/sec:   4469.00
RESULT {"requests":4469,"us":1000500,"failed":3,"p50":120.000000,"p90":250.5,"p99":1000.0,"p99.9":20000.0}
"""
    expected = Load(4469, 3, 1.0005, {"p50": 0.12, "p90": 0.2505, "p99": 1.0, "p99.9": 20.0})
    assert read_wrk(printed) == expected


def test_what_wrk_does_not_say_is_not_made_up() -> None:
    with pytest.raises(AssertionError, match="unable to connect"):
        read_wrk("unable to connect to 127.0.0.1:1 Connection refused")


def test_percentiles_are_of_the_nearest_rank_in_milliseconds() -> None:
    times_s = [number / 1000 for number in range(1000, 0, -1)]
    assert percentiles_ms(times_s) == pytest.approx({"p50": 501, "p90": 901, "p99": 991, "p99.9": 1000})
    assert percentiles_ms([0.002]) == pytest.approx(dict.fromkeys(SHARES, 2))
    assert all(math.isnan(value) for value in percentiles_ms([]).values())


def test_nothing_in_no_time_is_no_rate() -> None:
    assert Load(0, 0, 0.0, {}).per_second == 0
