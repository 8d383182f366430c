"""Seven holes in a Quart-Trio app under Hypercorn's own trio worker (0.18), each shut: on real sockets, by name.

docs/robustness.md tells what happens there. To see it, run this file against that server:
HOLES_UNDER=hypercorn python -m pytest tests/e2e/test_holes.py (some of the tests then fail only when killed).
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from trio_gateway.app import GatewayApp
from trio_gateway.errors import InvalidRequest
from trio_gateway.routing.attempt import OpenAnswer

Houses = Callable[..., AbstractAsyncContextManager[Any]]

UNDER = os.environ.get("HOLES_UNDER", "ours")
PATIENCE_S = 10.0
"""After so long a test has failed. What it waits for comes in milliseconds."""

FLOOD = "chunks=100000"  # more than the sockets between two ends hold


def request(directive: str, stream: bool = True, model: str = "gpt-test") -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"Hi [sim: {directive}]"}]}


async def ask(client: Any, directive: str, stream: bool = True, trailing: bytes = b"") -> None:
    await client.send("POST", "/v1/chat/completions", request(directive, stream), trailing=trailing)


async def is_served(running: Any) -> None:
    """Another client is answered, on a connection of its own."""
    reply = await running.chat("gpt-test", "Hi")
    assert (reply.status, reply.whole) == (200, True)


async def connect_narrow(running: Any) -> Any:
    """A client whose socket takes in little, so that not reading is soon felt."""
    narrow = trio.socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client = await running.connect()
    await client.close()
    await narrow.connect(("127.0.0.1", running.port))
    client.stream = trio.SocketStream(narrow)
    return client


# H1. Hypercorn's reader waits for the application once bytes have come behind the request, a stray CRLF included.
# A client that then leaves before its answer's first byte is never missed: the upstream works on for nobody.


@pytest.mark.parametrize("behind", [b"\r\n", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"], ids=["CRLF", "pipelined"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
async def test_h1_bytes_behind_the_request_hide_no_disconnect(house: Houses, stream: bool, behind: bytes) -> None:
    async with house(under=UNDER) as running:
        observer = running.simulator.observer
        client = await running.connect()
        await ask(client, "silence=headers", stream, behind)
        await observer.wait_until(lambda: any(record.moment == "before_head" for record in observer.connections))
        await wait_all_tasks_blocked()  # whatever came behind has been read
        await client.close()
        with trio.fail_after(PATIENCE_S):
            await observer.wait_closed()
        await wait_all_tasks_blocked(0.01)
        assert [record.outcome for record in running.records] == ["cancelled"]


# H2. Hypercorn writes in a shield that has no deadline. A client that stops reading holds its exchange, its upstream
# and the server's shutdown for as long as it likes.


async def test_h2_a_client_that_stops_reading_ends_its_exchange_and_its_upstream(house: Houses) -> None:
    async with house(under=UNDER, server={"write_stall_s": 0.2}) as running:
        client = await connect_narrow(running)
        await ask(client, FLOOD)
        await client.read_until(b"data: ")
        await is_served(running)
        with trio.fail_after(PATIENCE_S):
            await running.simulator.observer.wait_until(
                lambda: any(
                    record.how and record.moment == "mid_stream" for record in running.simulator.observer.connections
                )
            )
        await wait_all_tasks_blocked(0.01)
        assert sorted(record.outcome for record in running.records) == ["cancelled", "ok"]
        await client.close()


async def test_h2_a_client_that_stops_reading_does_not_hold_up_a_shutdown(house: Houses) -> None:
    with trio.fail_after(PATIENCE_S):
        async with house(under=UNDER, server={"write_stall_s": 3600, "drain_s": 0.1}) as running:
            client = await connect_narrow(running)
            await ask(client, FLOOD)
            await client.read_until(b"data: ")
            await wait_all_tasks_blocked(0.01)
        assert [record.outcome for record in running.records] == ["cancelled"]
        await client.close()


# H3. Hypercorn lets an error in one connection's protocol end the whole worker; an upgrade to h2c whose settings
# cannot be read is one.


@pytest.mark.parametrize("settings", ["not base64!", "AAMAAABkAAQAAP__"], ids=["unreadable", "readable"])
async def test_h3_an_upgrade_to_h2c_is_just_a_request(house: Houses, settings: str) -> None:
    upgrade = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": settings}
    async with house(under=UNDER) as running:
        staying = await running.connect()
        await ask(staying, "chunks=20 gap_ms=5")
        await staying.read_until(b"data: ")
        for _ in range(3):
            reply = await running.get("/healthz", upgrade)
            assert reply.status == 200
        assert (await staying.read_reply()).events()[-1] == "[DONE]"
        await staying.close()


# H4. Hypercorn takes HTTP/2 from whoever begins it, and holds all that such a client does not read in memory.


async def test_h4_http_2_by_prior_knowledge_is_refused(house: Houses) -> None:
    async with house(under=UNDER) as running:
        client = await running.connect()
        await client.stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        with trio.fail_after(PATIENCE_S):
            reply = await client.read_reply()
        assert reply.status == 505
        assert reply.json()["error"]["code"] == "http_version_not_supported"
        await client.close()


async def test_h4_http_2_is_not_offered_over_tls(house: Houses, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(tmp_path / "cert.pem", append=True)
    files = {"certfile": str(tmp_path / "cert.pem"), "keyfile": str(tmp_path / "key.pem")}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with house(server=files) as running:
        client = await running.connect()
        client.stream = trio.SSLStream(client.stream, context, server_hostname="localhost", https_compatible=True)
        await client.send("GET", "/healthz", None)
        assert (await client.read_reply()).status == 200
        assert client.stream.selected_alpn_protocol() == "http/1.1"
        await client.close()


# H5. A 204 made with quart.Response fails in a Quart-Trio app, whatever the server: its body's context manager is
# asyncio's. The app's own response class knows better.


async def test_h5_a_view_can_answer_204(house: Houses) -> None:
    async with house(under=UNDER) as running:

        async def gone() -> Any:
            return running.app.response_class(status=204)

        running.app.add_url_rule("/gone", "gone", gone, methods=["GET"])
        client = await running.connect()
        for _ in range(2):
            await client.send("GET", "/gone", None)
            reply = await client.read_reply()
            assert (reply.status, reply.body) == (204, b"")
        await client.close()


# H6. What a Quart view has opened for its response's body is closed by that body's iterator, which a client that
# leaves during `http.response.start` keeps from ever beginning. Here the exchange owns its upstream.


@pytest.mark.parametrize("leaving", ["fin", "rst"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
async def test_h6_a_client_that_leaves_as_the_response_starts_leaks_no_upstream(
    house: Houses, monkeypatch: pytest.MonkeyPatch, stream: bool, leaving: str
) -> None:
    starting = trio.Event()
    app = GatewayApp.asgi_app

    async def send_nothing(message: dict[str, Any]) -> None:
        assert message["type"] == "http.response.start"
        starting.set()
        await trio.sleep_forever()

    def stop_at_the_start(self: GatewayApp, scope: Any, receive: Any, send: Any) -> Any:
        return app(self, scope, receive, send_nothing if scope["type"] == "http" else send)

    monkeypatch.setattr(GatewayApp, "asgi_app", stop_at_the_start)
    async with house(under=UNDER) as running:
        client = await running.connect()
        await ask(client, "chunks=1000 gap_ms=100", stream)
        with trio.fail_after(PATIENCE_S):
            await starting.wait()
        if leaving == "rst":
            client.reset()
        else:
            await client.close()
        with trio.fail_after(PATIENCE_S):
            await running.simulator.observer.wait_until(
                lambda: not stream or not running.simulator.observer.open_connections
            )
        await wait_all_tasks_blocked(0.01)
        assert [record.outcome for record in running.records] == ["cancelled"]
        assert running.gateway.channels["openai"].upstream.in_use == 0


# H7. Quart-Trio raises only what is Cancelled of a group that holds other errors too: those are told to nobody.


async def two_tasks_one_of_which_cannot_stop(started: trio.Event) -> None:
    async def fail_while_cleaning_up() -> None:
        try:
            started.set()
            await trio.sleep_forever()
        finally:
            raise ValueError("cleaning up failed")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail_while_cleaning_up)
        nursery.start_soon(trio.sleep_forever)


async def test_h7_an_error_beside_a_cancellation_is_told_by_an_exchange(
    house: Houses, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = trio.Event()

    async def next_with_a_bug(self: OpenAnswer, passage: object) -> bytes:
        await two_tasks_one_of_which_cannot_stop(started)
        return b""

    monkeypatch.setattr(OpenAnswer, "next", next_with_a_bug)
    async with house(under=UNDER) as running:
        client = await running.connect()
        await ask(client, "chunks=1000 gap_ms=100")
        await started.wait()
        await client.close()
        with trio.fail_after(PATIENCE_S):
            await running.simulator.observer.wait_closed()
        await wait_all_tasks_blocked(0.01)
    assert "cleaning up failed" in caplog.text


async def test_h7_an_error_beside_a_cancellation_is_told_by_a_view(
    house: Houses, caplog: pytest.LogCaptureFixture
) -> None:
    started, ended = trio.Event(), trio.Event()
    async with house(under=UNDER) as running:

        async def view() -> Any:
            try:
                await two_tasks_one_of_which_cannot_stop(started)
            finally:
                ended.set()

        running.app.add_url_rule("/two-tasks", "two_tasks", view, methods=["GET"])
        client = await running.connect()
        await client.send("GET", "/two-tasks", None)
        await started.wait()
        await client.close()
        with trio.fail_after(PATIENCE_S):
            await ended.wait()
        await wait_all_tasks_blocked(0.01)
    assert "cleaning up failed" in caplog.text


async def test_h7_an_error_beside_one_that_has_an_answer_is_told(
    house: Houses, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(under=UNDER) as running:

        async def view() -> Any:
            raise ExceptionGroup("both", [InvalidRequest("the client's fault"), ValueError("and a bug")])

        running.app.add_url_rule("/both", "both", view, methods=["GET"])
        assert (await running.get("/both")).status == 400
    assert "and a bug" in caplog.text
