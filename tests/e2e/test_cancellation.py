"""When the client leaves, the upstream's connection is closed at once and nothing is left behind.

Asserted from the upstream's side of the socket: what the simulated provider, or a bare listener, saw.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

Houses = Callable[..., AbstractAsyncContextManager[Any]]

RUNS = 30
LIMIT_S = 0.1
MODELS = {"openai": "gpt-test", "anthropic": "claude-test", "ollama": "llama-test"}

# moment: the directive that brings it about, whether the request is streamed, and where the upstream then stands.
# One that is silent after its head has sent no byte of the body.
MOMENTS = {
    "waiting for the upstream's head": ("silence=headers", True, "before_head"),
    "waiting for the first event": ("silence=body", True, "after_head"),
    "in the middle of the stream": ("chunks=100000 gap_ms=5", True, "mid_stream"),
    "during a plain request": ("silence=headers", False, "before_head"),
    "during a plain request whose head has come": ("silence=body", False, "after_head"),
}
LEAVINGS = ("fin", "rst")


def request(model: str, directive: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"Hi [sim: {directive}]"}]}


async def leave(client: Any, how: str) -> None:
    if how == "rst":
        client.reset()
    else:
        await client.close()


async def closed_after(house: Any, body: dict[str, Any], moment: str, leaving: str, trailing: bytes = b"") -> float:
    """Let one client come and leave at the moment; return how long after that the upstream's connection was closed."""
    observer = house.simulator.observer
    client = await house.connect()
    await client.send("POST", "/v1/chat/completions", body, trailing=trailing)
    await observer.wait_until(
        lambda: any(record.moment == moment and not record.how for record in observer.connections)
    )
    if moment == "mid_stream":
        await client.read_until(b"data: ")
    left_s = trio.current_time()
    await leave(client, leaving)
    with trio.fail_after(10):
        await observer.wait_closed()
    record = observer.connections[-1]
    assert record.how in ("fin", "rst"), "the gateway closed it, and not the provider"
    return record.closed_at - left_s


@pytest.mark.parametrize("leaving", LEAVINGS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("provider", MODELS)
async def test_the_upstream_is_closed_at_once(house: Houses, provider: str, moment: str, leaving: str) -> None:
    directive, stream, stands = MOMENTS[moment]
    body = request(MODELS[provider], directive, stream)
    async with house() as running:
        await closed_after(running, body, stands, leaving)
        await wait_all_tasks_blocked(0.01)
        living = trio.lowlevel.current_statistics().tasks_living
        times = [await closed_after(running, body, stands, leaving) for _ in range(RUNS)]
        await wait_all_tasks_blocked(0.01)
        assert statistics.median(times) < LIMIT_S
        assert running.simulator.observer.open_connections == 0
        assert trio.lowlevel.current_statistics().tasks_living == living
        assert running.gateway.channels[provider].upstream.in_use == 0
        assert [record.outcome for record in running.records] == ["cancelled"] * (RUNS + 1)


@pytest.mark.parametrize("trailing", [b"\r\n", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"], ids=["crlf", "pipelined"])
@pytest.mark.parametrize("leaving", LEAVINGS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_bytes_after_the_request_change_nothing(
    house: Houses, moment: str, leaving: str, trailing: bytes
) -> None:
    directive, stream, stands = MOMENTS[moment]
    async with house() as running:
        assert await closed_after(running, request("gpt-test", directive, stream), stands, leaving, trailing) < 5
        await wait_all_tasks_blocked(0.01)
        assert running.records[0].outcome == "cancelled"


@pytest.mark.parametrize("leaving", LEAVINGS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_it_holds_under_plain_hypercorn_too(house: Houses, moment: str, leaving: str) -> None:
    directive, stream, stands = MOMENTS[moment]
    async with house(under="hypercorn") as running:
        assert await closed_after(running, request("claude-test", directive, stream), stands, leaving) < 5
        await wait_all_tasks_blocked(0.01)
        assert running.records[0].outcome == "cancelled"


@pytest.mark.parametrize("leaving", LEAVINGS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_being_opened_is_given_up(house: Houses, stream: bool, leaving: str) -> None:
    # A provider that never answers the TLS handshake: to the gateway that is connecting.
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    slow = {"base_url": f"https://127.0.0.1:{port}/v1"}
    async with listener, house(channels={"openai": slow}) as running:
        times = []
        for _ in range(RUNS):
            client = await running.connect()
            await client.send("POST", "/v1/chat/completions", request("gpt-test", "", stream))
            upstream = await listener.accept()
            assert await upstream.receive_some(65536)  # the ClientHello
            left_s = trio.current_time()
            await leave(client, leaving)
            with trio.fail_after(10):
                try:
                    assert await upstream.receive_some(65536) == b""
                except trio.BrokenResourceError:
                    pass  # closed by RST
            times.append(trio.current_time() - left_s)
            await upstream.aclose()
        await wait_all_tasks_blocked(0.01)
        assert statistics.median(times) < LIMIT_S
        assert running.gateway.channels["openai"].upstream.in_use == 0
        assert [record.outcome for record in running.records] == ["cancelled"] * RUNS


async def test_a_cancelled_exchange_is_recorded_with_the_usage_seen_so_far(house: Houses) -> None:
    # Anthropic tells its prompt's tokens first.
    async with house() as running:
        body = request("claude-test", "chunks=100000 gap_ms=5 prompt=17", True)
        await closed_after(running, body, "mid_stream", "fin")
        await wait_all_tasks_blocked(0.01)
        (record,) = running.records
        assert record.outcome == "cancelled"
        assert record.usage.input == 17
        assert record.first_event_s is not None


async def test_a_client_that_leaves_disturbs_no_other(house: Houses) -> None:
    async with house() as running:
        staying = await running.connect()
        await staying.send("POST", "/v1/chat/completions", request("gpt-test", "chunks=20 gap_ms=10", True))
        await staying.read_until(b"data: ")
        for leaving in LEAVINGS:
            client = await running.connect()
            await client.send("POST", "/v1/chat/completions", request("gpt-test", "chunks=1000 gap_ms=5", True))
            await client.read_until(b"data: ")
            await leave(client, leaving)
        reply = await staying.read_reply()
        assert reply.whole
        assert reply.events()[-1] == "[DONE]"
        await staying.close()
