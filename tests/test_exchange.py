"""An exchange as an ASGI server calls it: for what a client cannot see. The rest is in e2e/test_exchange.py."""

from __future__ import annotations

import io
import weakref
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_gateway.app import CANCELS_ON_DISCONNECT, GatewayApp, as_asgi, build_app
from trio_gateway.config import validate
from trio_gateway.errors import InvalidRequest
from trio_gateway.exchange import is_strict
from trio_gateway.observe.logs import ExchangeLog

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-noted: by-the-provider\r\ntransfer-encoding: chunked\r\n\r\n"  # noqa: E501 (one head)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"first"},"finish_reason":null}]}\n\n'
BODY = b'{"model":"gpt","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"long"}]}'  # noqa: E501 (one body)


class Body(bytes):
    """Says when it is no more."""

    forgotten = False

    def __del__(self) -> None:
        type(self).forgotten = True


class HeaderFields(list[tuple[bytes, bytes]]):
    """Can be referred to weakly."""


async def one_event(stream: trio.SocketStream) -> None:
    """Be a provider that answers with one event, and then with nothing more."""
    async with stream:
        received = b""
        while not received.endswith(BODY[-20:]):
            received += await stream.receive_some()
        await stream.send_all(HEAD + b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
        await trio.sleep_forever()


def app_for(port: int, route: dict[str, Any] | None) -> GatewayApp:
    channel = {"provider": "openai_compatible", "base_url": f"http://127.0.0.1:{port}/v1", "models": ["gpt"]}
    document = {"auth": {"tokens": ["right"]}, "channels": {"local": channel}}
    if route is not None:
        document["routes"] = [route]
    config = validate(document, {}, "test", Path())
    return build_app(config, ExchangeLog("off", io.StringIO(), lambda: 0.0))


def scope_with(headers: list[tuple[bytes, bytes]], path: str = "/v1/chat/completions") -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 40000),
        "extensions": {CANCELS_ON_DISCONNECT: {}},
    }


@pytest.mark.parametrize("route", [None, {"model": "gpt", "targets": [{"channel": "local", "model": "gpt"}]}])
async def test_once_a_stream_has_begun_nothing_keeps_its_request(route: dict[str, Any] | None) -> None:
    Body.forgotten = False
    bodies = [Body(BODY)]
    headers = HeaderFields([(b"authorization", b"Bearer right"), (b"content-type", b"application/json")])
    kept = weakref.ref(headers)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if len(sent) == 2:
            begun.set()

    begun = trio.Event()
    async with trio.open_nursery() as nursery:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, one_event, [listener])
        nursery.start_soon(as_asgi(app_for(port, route)), scope_with(headers), receive, send)
        del headers
        with trio.fail_after(5):
            await begun.wait()
        await wait_all_tasks_blocked()
        assert sent[1]["body"] == EVENT
        assert Body.forgotten
        assert kept() is None
        nursery.cancel_scope.cancel()


TWO_PROMPTS = b'{"model":"gpt","stream":true,"prompt":["One","Two"]}'
FINISHED = EVENT + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
ANSWER = HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(FINISHED), FINISHED)
TOLD_NO = b'{"error":{"message":"No second one."}}'
REFUSAL = b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(TOLD_NO), TOLD_NO)
KEEP_ALIVE_S = 15  # the default
COMMENT = b": waiting for the first event\n\n"


class Provider:
    """Answers the first prompt at once, and the second with `second` once it is let."""

    def __init__(self, second: bytes) -> None:
        self._second = second
        self.asked_again = trio.Event()
        self.may_answer = trio.Event()

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while piece := await stream.receive_some():
                received += piece
                if b'"One"' in received:
                    received = b""
                    await stream.send_all(ANSWER)
                elif b'"Two"' in received:
                    received = b""
                    self.asked_again.set()
                    await self.may_answer.wait()
                    await stream.send_all(self._second)


class Client:
    """Reads what it is sent."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.read = b""
        self.done = trio.Event()

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        self.read += message.get("body", b"")
        if message["type"] == "http.response.body" and not message["more_body"]:
            self.done.set()


@pytest.mark.parametrize("second", [ANSWER, REFUSAL], ids=["answered", "refused"])
async def test_who_waits_for_a_later_prompt_is_sent_comments_and_then_its_answer(
    second: bytes, mock_clock: MockClock
) -> None:
    provider, client = Provider(second), Client(TWO_PROMPTS)
    headers = [(b"authorization", b"Bearer right"), (b"content-type", b"application/json")]
    async with trio.open_nursery() as nursery:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        nursery.start_soon(trio.serve_listeners, provider.serve, [listener])
        app = app_for(listener.socket.getsockname()[1], None)
        nursery.start_soon(app.gateway.patience.run, nursery)
        nursery.start_soon(as_asgi(app), scope_with(headers, "/v1/completions"), client.receive, client.send)
        await provider.asked_again.wait()
        before = client.read
        assert before.count(b'"text":"first"') == 1
        assert COMMENT not in before
        for count in (1, 2):
            mock_clock.jump(KEEP_ALIVE_S + 1)
            await wait_all_tasks_blocked()
            assert client.read == before + COMMENT * count
        provider.may_answer.set()
        await client.done.wait()
        await app.gateway.aclose()
        nursery.cancel_scope.cancel()
    after = client.read.removeprefix(before + COMMENT * 2)
    assert COMMENT not in after
    assert (b'"index":1' in after, b"[DONE]" in after, b"No second one." in after) == (
        (True, True, False) if second is ANSWER else (False, False, True)
    )


async def test_who_leaves_while_a_later_prompt_is_waited_for_is_sent_nothing_more(mock_clock: MockClock) -> None:
    provider, client = Provider(ANSWER), Client(TWO_PROMPTS)
    headers = [(b"authorization", b"Bearer right"), (b"content-type", b"application/json")]
    async with trio.open_nursery() as nursery:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        nursery.start_soon(trio.serve_listeners, provider.serve, [listener])
        app = app_for(listener.socket.getsockname()[1], None)
        nursery.start_soon(app.gateway.patience.run, nursery)
        async with trio.open_nursery() as exchange:
            exchange.start_soon(as_asgi(app), scope_with(headers, "/v1/completions"), client.receive, client.send)
            await provider.asked_again.wait()
            mock_clock.jump(KEEP_ALIVE_S + 1)
            await wait_all_tasks_blocked()
            exchange.cancel_scope.cancel()
        read = client.read
        assert read.endswith(COMMENT)
        for _ in range(2):
            mock_clock.jump(KEEP_ALIVE_S + 1)
            await wait_all_tasks_blocked()
        assert client.read == read
        await app.gateway.aclose()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("value", "strict"), [(b"true", True), (b" TRUE ", True), (b"1", True), (b"false", False), (b"0", False)]
)
def test_a_client_asks_for_all_or_nothing_by_a_header(value: bytes, strict: bool) -> None:
    assert is_strict({b"x-gateway-strict": value}) is strict


def test_a_word_for_strict_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="true or false"):
        is_strict({b"x-gateway-strict": b"yes"})
