"""An exchange as an ASGI server calls it: for what a client cannot see. The rest is in e2e/test_exchange.py."""

from __future__ import annotations

import io
import weakref
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_gateway.app import CANCELS_ON_DISCONNECT, GatewayApp, as_asgi, build_app
from trio_gateway.config import validate
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


def scope_with(headers: HeaderFields) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
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
