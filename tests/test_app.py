"""The app itself, called as an ASGI server calls it: for clients whose addresses a test cannot have."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from trio_gateway.app import GatewayApp, build_app
from trio_gateway.config import validate
from trio_gateway.observe.logs import ExchangeLog

STRANGER = "203.0.113.9"
DOCUMENT = {"auth": {"tokens": ["right"]}, "channels": {"local": {"provider": "ollama", "models": ["llama"]}}}


def app_of() -> GatewayApp:
    return build_app(validate(DOCUMENT, {}, "test", Path()), ExchangeLog("off", io.StringIO(), lambda: 0.0))


async def call(
    app: GatewayApp, path: str, token: str, address: str, method: str = "POST"
) -> tuple[int, dict[str, str], Any]:
    """Make one request with a body that no endpoint takes, so that nothing goes upstream."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"gateway"), (b"authorization", f"Bearer {token}".encode())],
        "client": (address, 40000),
        "server": ("127.0.0.1", 18789),
        "state": {},
        "extensions": {},
    }
    bodies = [{"type": "http.request", "body": b"no json", "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if bodies:
            return bodies.pop()
        await trio.sleep_forever()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]  # the events are dicts
    headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], headers, msgspec.json.decode(body)


@pytest.mark.parametrize(("path", "method"), [("/v1/chat/completions", "POST"), ("/v1/models", "GET")])
async def test_the_tenth_failure_of_an_address_locks_it_out_for_five_minutes(
    path: str, method: str, mock_clock: MockClock
) -> None:
    app = app_of()
    for _ in range(10):
        mock_clock.jump(1)
        assert (await call(app, path, "wrong", STRANGER, method))[0] == 401
    status, headers, body = await call(app, path, "right", STRANGER, method)
    assert (status, body["error"]["code"]) == (429, "locked_out")
    assert headers["retry-after"] == "300"
    mock_clock.jump(299.5)
    status, headers, _ = await call(app, path, "right", STRANGER, method)
    assert (status, headers["retry-after"]) == (429, "1")
    mock_clock.jump(1)
    assert (await call(app, path, "right", STRANGER, method))[0] != 429


async def test_loopback_and_others_are_not_locked_out() -> None:
    app = app_of()
    for _ in range(30):
        assert (await call(app, "/v1/chat/completions", "wrong", "127.0.0.1"))[0] == 401
        await call(app, "/v1/chat/completions", "wrong", STRANGER)
    assert (await call(app, "/v1/chat/completions", "right", "127.0.0.1"))[0] == 400
    assert (await call(app, "/v1/chat/completions", "right", "203.0.113.10"))[0] == 400
    assert (await call(app, "/v1/chat/completions", "right", STRANGER))[0] == 429
