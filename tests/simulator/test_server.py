"""The server and its observer, from bare sockets: what is sent when, and how each end is recorded."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable

import httpx
import pytest
import trio

from trio_gateway.simulator import ConnectionRecord, Observer, Simulator, SimulatorConfig, serve_simulator

Start = Callable[..., Awaitable[Simulator]]


def chat(directives: str, *, stream: bool = True) -> bytes:
    messages = [{"role": "user", "content": f"[sim: {directives}] hello"}]
    body = json.dumps({"model": "m", "stream": stream, "messages": messages}).encode()
    return post("/v1/chat/completions", body)


def post(path: str, body: bytes, headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


async def connect(simulator: Simulator) -> trio.SocketStream:
    port = int(simulator.origins["openai"].rpartition(":")[2])
    return await trio.open_tcp_stream("127.0.0.1", port)


def leave(stream: trio.SocketStream, how: str) -> None:
    """Close with FIN or RST, at once. A socket that holds unread bytes would close with RST: drain it first."""
    if how == "rst":
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
    stream.socket.close()


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    data = b""
    while end not in data:
        received = await stream.receive_some(65536)
        assert received, data
        data += received
    return data


async def read_all(stream: trio.SocketStream) -> bytes:
    data = b""
    async for part in stream:
        data += part
    return data


MOMENTS = {
    "idle": (b"", b""),
    "receiving": (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 100\r\n\r\n{", b""),
    "before_head": (chat("latency_ms=3600000"), b""),
    "after_head": (chat("first_ms=3600000"), b"\r\n\r\n"),
    "mid_stream": (chat("gap_ms=3600000"), b'"content":"You'),
    "after_end": (chat("chunks=2"), b"0\r\n\r\n"),
}


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_observer_tells_when_and_how_a_client_left(simulator: Simulator, moment: str, how: str) -> None:
    request, seen = MOMENTS[moment]
    observer = simulator.observer
    stream = await connect(simulator)
    await observer.wait_until(lambda: observer.open_connections == 1)
    if request:
        await stream.send_all(request)
    if seen:
        await read_until(stream, seen)
    [record] = observer.connections
    await observer.wait_until(lambda: record.moment == moment)
    assert (record.how, record.closed_at) == ("", None)
    leave(stream, how)
    closed = await observer.wait_closed(record.id)
    assert closed is record
    assert (record.moment, record.how) == (moment, how)
    assert record.closed_at is not None
    assert record.closed_at >= record.opened_at
    assert observer.open_connections == 0
    if moment in ("after_head", "mid_stream", "after_end"):
        assert record.bytes_sent > 0


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("rest", [b"\r\n", chat("chunks=1")])
async def test_bytes_after_the_request_do_not_make_it_deaf(simulator: Simulator, rest: bytes, how: str) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat("silence=headers") + rest)
    observer = simulator.observer
    await observer.wait_until(lambda: bool(observer.requests))
    leave(stream, how)
    await observer.wait_closed()
    [record] = observer.connections
    assert (record.moment, record.how, record.requests) == ("before_head", how, 1)


async def test_a_client_that_stops_reading_and_leaves_is_seen_mid_stream(simulator: Simulator) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat("text=" + json.dumps("word " * 1_600_000), stream=False))
    await read_until(stream, b"\r\n\r\n")
    leave(stream, "rst")
    await simulator.observer.wait_closed()
    [record] = simulator.observer.connections
    assert (record.moment, record.how) == ("mid_stream", "rst")


async def test_silence_lasts_until_the_client_leaves(simulator: Simulator) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat("silence=body"))
    assert (await read_until(stream, b"\r\n\r\n")).endswith(b"\r\n\r\n")
    leave(stream, "fin")
    await simulator.observer.wait_closed()
    assert simulator.observer.connections[0].moment == "after_head"


@pytest.mark.parametrize(("how", "chunked_end"), [("eof", True), ("fin", False)])
async def test_a_stream_can_end_without_its_terminal_marker(simulator: Simulator, how: str, chunked_end: bool) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat(f"chunks=4 fail={how}@2"))
    data = await read_all(stream)
    assert b"[DONE]" not in data
    assert b'"finish_reason":"stop"' not in data
    # The opening chunk has an empty content; the two deltas have some.
    assert data.count(b'"content":"') == 3
    assert data.endswith(b"0\r\n\r\n") is chunked_end
    assert simulator.observer.connections[0].how == "ours"
    await stream.aclose()


async def test_a_stream_can_be_cut_by_a_reset(simulator: Simulator) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat("chunks=4 fail=cut@2"))
    with pytest.raises(trio.BrokenResourceError):
        await read_all(stream)
    await stream.aclose()


@pytest.mark.parametrize("how", ["fin", "eof"])
async def test_a_plain_body_can_break_off(simulator: Simulator, how: str) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat(f"fail={how}", stream=False))
    head, _, body = (await read_all(stream)).partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert 0 < len(body) < promised
    await stream.aclose()


async def test_pipelined_requests_are_answered_in_order(simulator: Simulator) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat("latency_ms=1 text=first", stream=False) + chat("text=second", stream=False))
    data = await read_until(stream, b"second")
    assert data.index(b"first") < data.index(b"second")
    assert [request.number for request in simulator.observer.requests] == [1, 2]
    assert simulator.observer.connections[0].requests == 2
    await stream.aclose()


async def test_a_request_may_arrive_byte_by_byte_and_wait_for_100_continue(simulator: Simulator) -> None:
    stream = await connect(simulator)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
    head, _, _ = post("/v1/chat/completions", body, "Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    for at in range(len(head)):
        await stream.send_all(head[at : at + 1])
    await stream.send_all(b"\r\n\r\n")
    assert await read_until(stream, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await stream.send_all(body)
    assert (await read_until(stream, b"}}")).startswith(b"HTTP/1.1 200 OK\r\n")
    await stream.aclose()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [(b"nonsense\r\n\r\n", b"400"), (post("/v1/chat/completions", b"x" * 2000), b"413")],
)
async def test_what_cannot_be_read_is_refused_and_closed(start: Start, request_bytes: bytes, status: bytes) -> None:
    simulator = await start(max_body_bytes=1000)
    stream = await connect(simulator)
    await stream.send_all(request_bytes)
    assert (await read_all(stream)).startswith(b"HTTP/1.1 " + status)
    await stream.aclose()


@pytest.mark.parametrize("coalesce", [True, False])
async def test_a_coalesced_stream_holds_the_same_bytes(start: Start, coalesce: bool) -> None:
    simulator = await start(coalesce=coalesce)
    stream = await connect(simulator)
    await stream.send_all(chat("chunks=3"))
    data = await read_until(stream, b"0\r\n\r\n")
    assert data.count(b"data: ") == 6
    assert data.count(b"\r\n\r\n") == 2
    await stream.aclose()


async def test_requests_are_recorded_without_their_credentials(simulator: Simulator) -> None:
    async with httpx.AsyncClient(base_url=simulator.origins["openai"]) as http:
        await http.post(
            "/v1/embeddings?key=secret2",
            content=b'{"model": "e", "input": "x"}',
            headers={
                "Authorization": "Bearer secret",
                "X-Twice": "a",
            },
        )
    [request] = simulator.observer.requests
    hashed = hashlib.sha256(b"secret").hexdigest()
    assert request.key_sha256 == hashed
    assert ("authorization", "sha256:" + hashed[:16]) in request.headers
    assert ("x-twice", "a") in request.headers
    assert (request.method, request.provider, request.body) == ("POST", "openai", '{"model": "e", "input": "x"}')
    assert "secret" not in repr(request)


async def test_the_records_can_be_read_and_reset_over_http(simulator: Simulator) -> None:
    stream = await connect(simulator)
    await stream.send_all(chat("silence=headers"))
    await simulator.observer.wait_until(lambda: bool(simulator.observer.requests))
    async with httpx.AsyncClient(base_url=simulator.origins["openai"]) as http:
        seen = (await http.get("/_simulator/connections")).json()
        assert seen["open"] == 1
        assert [row["moment"] for row in seen["connections"]] == ["before_head"]
        requests = (await http.get("/_simulator/requests")).json()["requests"]
        assert [row["path"] for row in requests] == ["/v1/chat/completions"]
        await http.post("/_simulator/reset")
        assert (await http.get("/_simulator/requests")).json() == {"requests": []}
        assert (await http.get("/_simulator/connections")).json()["open"] == 1
        assert (await http.get("/_simulator/nope")).status_code == 404
    await stream.aclose()


async def test_the_observer_forgets_the_oldest(start: Start) -> None:
    simulator = await start(recorded_requests=2)
    async with httpx.AsyncClient(base_url=simulator.origins["openai"]) as http:
        for _ in range(3):
            await http.get("/v1/models")
    assert [request.number for request in simulator.observer.requests] == [2, 3]


KEYS = [
    ("openai", "GET", "/v1/models", {"authorization": "Bearer right"}, 200),
    ("openai", "GET", "/v1/models", {"authorization": "Bearer wrong"}, 401),
    ("openai", "GET", "/v1/models", {}, 401),
    ("anthropic", "GET", "/v1/models", {"x-api-key": "right", "anthropic-version": "2023-06-01"}, 200),
    ("anthropic", "GET", "/v1/models", {"authorization": "Bearer right", "anthropic-version": "2023-06-01"}, 200),
    ("anthropic", "GET", "/v1/models", {"x-api-key": "wrong", "anthropic-version": "2023-06-01"}, 401),
    ("ollama", "GET", "/api/tags", {"authorization": "Bearer right"}, 200),
    ("ollama", "GET", "/api/tags", {}, 401),
]


@pytest.mark.parametrize(("provider", "method", "path", "headers", "status"), KEYS)
async def test_a_configured_key_is_demanded(
    start: Start, provider: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    simulator = await start(api_key="right")
    async with httpx.AsyncClient(base_url=simulator.origins[provider]) as http:
        answer = await http.request(method, path, headers=headers)
    assert answer.status_code == status
    if status == 401:
        error = answer.json()["error"]
        assert error == "unauthorized" if provider == "ollama" else error["type"] == "authentication_error"


async def test_a_provider_with_a_port_of_its_own_serves_nothing_else(start: Start) -> None:
    simulator = await start(ports={"anthropic": 0})
    assert simulator.origins["anthropic"] != simulator.origins["openai"] == simulator.origins["ollama"]
    async with httpx.AsyncClient() as http:
        elsewhere = await http.post(simulator.origins["anthropic"] + "/v1/chat/completions", json={})
        shared = await http.get(simulator.origins["openai"] + "/v1/models", headers={"anthropic-version": "x"})
    assert elsewhere.status_code == 404
    assert elsewhere.json()["type"] == "error"
    assert shared.json()["object"] == "list"


async def test_stopping_closes_what_is_open_and_leaves_no_task() -> None:
    observer = Observer()
    before = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        simulator: Simulator = await nursery.start(
            lambda task_status: serve_simulator(SimulatorConfig(), observer=observer, task_status=task_status)
        )
        stream = await connect(simulator)
        await stream.send_all(chat("gap_ms=3600000"))
        await read_until(stream, b"\r\n\r\n")
        nursery.cancel_scope.cancel()
    assert trio.lowlevel.current_statistics().tasks_living == before
    [record] = observer.connections
    assert isinstance(record, ConnectionRecord)
    assert (record.how, record.moment) == ("ours", "mid_stream")
    await stream.aclose()


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown provider 'acme'"):
        SimulatorConfig(providers=("acme",))
