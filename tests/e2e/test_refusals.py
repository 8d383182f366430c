"""What a client of each API is told where a provider, or the gateway, does not do what was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
import trio

from tests.e2e.apis import APIS, PROVIDERS, ask

Houses = Callable[..., AbstractAsyncContextManager[Any]]
STRICT = {"x-gateway-strict": "true"}

# What no provider of another kind can carry, and where it is said to be.
FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "openai_chat": ({"logit_bias": {"5": 1}}, "/logit_bias"),
    "openai_responses": ({"max_tool_calls": 3}, "/max_tool_calls"),
    "anthropic_messages": ({"container": "c"}, "/container"),
    "gemini": ({"cachedContent": "cachedContents/1"}, "/cachedContent"),
    "ollama": ({"keep_alive": "5m"}, "/keep_alive"),
    "openai_completions": ({"suffix": "!"}, "/suffix"),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_strict_refusal_lists_what_is_not_carried_where_the_client_can_read_it(
    house: Houses, name: str
) -> None:
    api, (fields, pointer) = APIS[name], FOREIGN[name]
    model = PROVIDERS["ollama" if api.same == "anthropic" else "anthropic"]
    async with house() as running:
        body = api.body(model, "Hi", False) | fields
        reply = await running.post(api.path(model, False), body, STRICT)
        assert reply.status == 400
        assert pointer in api.message(reply.json())
        assert reply.headers["x-gateway-loss"] == pointer[1:]
        error = reply.json()["error"]
        if api.same == "anthropic":
            (violation,) = error["details"]["violations"]
            assert violation["pointer"] == pointer
            assert violation["reason"]
        elif api.same == "gemini":
            (violation,) = [found for detail in error["details"] for found in detail.get("fieldViolations", ())]
            assert violation["field"] == pointer
            assert violation["description"]
        elif api.same == "openai":
            assert (error["code"], error["param"]) == ("translation_loss", pointer[1:])
        assert running.simulator.observer.requests == []


LIMITS = {"openai": "x-ratelimit-limit-requests", "anthropic": "anthropic-ratelimit-requests-limit"}


@pytest.mark.parametrize("provider", LIMITS)
@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic_messages"])
async def test_a_limit_of_the_provider_is_told_where_it_was_met_to_those_who_know_its_words(
    house: Houses, name: str, provider: str
) -> None:
    api = APIS[name]
    async with house() as running:
        refused = await ask(running, api, PROVIDERS[provider], "Hi [sim: status=429]", False)
        answered = await ask(running, api, PROVIDERS[provider], "Hi", False)
        assert (LIMITS[provider] in refused.headers) == (api.same == provider)
        assert not any("ratelimit" in header for header in answered.headers), "what is left is not this client's alone"
        assert refused.headers["x-gateway-upstream-request-id"].startswith("req_")


async def test_anthropics_clients_find_the_id_where_they_look_on_every_path(house: Houses) -> None:
    ours = {"x-request-id": "mine-1", "anthropic-version": "2023-06-01"}
    async with house() as running:
        api = APIS["anthropic_messages"]
        for reply in (
            await ask(running, api, "gpt-test", "Hi", False, ours),
            await ask(running, api, "gpt-test", "Hi", True, ours),
            await ask(running, api, "nobody", "Hi", False, ours),
            await running.get("/v1/models", ours),
            await running.get("/v1/messages", ours),
        ):
            assert (reply.headers["request-id"], reply.headers["x-request-id"]) == ("mine-1", "mine-1")
        others = await ask(running, APIS["openai_chat"], "gpt-test", "Hi", False, {"x-request-id": "mine-2"})
        assert "request-id" not in others.headers


async def answer_with_a_page(status: int, stream: trio.SocketStream) -> None:
    """Be a proxy that has no provider to ask: whatever comes is answered with a page."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive_some(65536)
    page = b"<html><head><script>track()</script></head><body><h1>Not now</h1></body></html>"
    head = b"HTTP/1.1 %d No\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    await stream.send_all(head % (status, len(page)) + page)
    await stream.aclose()


KINDS = {422: "invalid_request_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", KINDS)
async def test_a_page_in_the_place_of_an_error_is_told_in_plain_words_and_openais_kinds(
    house: Houses, status: int, provider: str
) -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(
            partial(trio.serve_tcp, partial(answer_with_a_page, status), 0, host="127.0.0.1")
        )
        origin = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with house(channels={provider: {"base_url": origin}}) as running:
            for name in ("openai_chat", "openai_responses", "anthropic_messages"):
                reply = await ask(running, APIS[name], PROVIDERS[provider], "Hi", False)
                assert reply.status == status
                message = APIS[name].message(reply.json())
                assert message.endswith("Not now")
                assert "<" not in message
                if APIS[name].same == "openai":
                    assert reply.json()["error"]["type"] == KINDS[status]
        nursery.cancel_scope.cancel(reason="the test is over")


@pytest.mark.parametrize(
    ("value", "strict"), [("true", True), ("1", True), (" TRUE ", True), ("false", False), ("0", False)]
)
async def test_strict_is_what_the_client_says(house: Houses, value: str, strict: bool) -> None:
    async with house() as running:
        reply = await running.chat("claude-test", "Hi", {"x-gateway-strict": value}, logit_bias={"5": 1})
        assert reply.status == (400 if strict else 200)


@pytest.mark.parametrize("value", ["yes", "on", "2", "", "true, true"])
@pytest.mark.parametrize("name", ["openai_chat", "anthropic_messages", "gemini", "ollama"])
async def test_any_other_word_for_strict_is_refused(house: Houses, name: str, value: str) -> None:
    api = APIS[name]
    async with house() as running:
        reply = await ask(running, api, "gpt-test", "Hi", False, {"x-gateway-strict": value})
        assert reply.status == 400
        assert "true or false" in api.message(reply.json())
        assert running.simulator.observer.requests == []


@pytest.mark.parametrize("url", ["http://pictures.test/a.png", "ftp://pictures.test/a.png"])
async def test_what_could_be_fetched_says_which_setting_would_have_it_fetched(house: Houses, url: str) -> None:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    body = {"model": "llama-test", "messages": [{"role": "user", "content": content}]}
    async with house() as running:
        reply = await running.post("/v1/chat/completions", body)
        assert reply.status == 400
        message = reply.json()["error"]["message"]
        assert "send it inline, as base64" in message
        assert ("[fetch] enabled = true" in message) is url.startswith("http:")


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "undated"])
async def test_a_date_to_come_back_at_is_told_in_seconds(house: Houses, dated: bool) -> None:
    date = b"date: Sun, 22 Nov 2026 17:00:00 GMT\r\n" if dated else b""
    after = b"Sun, 22 Nov 2026 17:01:30 GMT" if dated else formatdate(time.time() + 100, usegmt=True).encode()

    async def refuse(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            head = b"HTTP/1.1 429 Too Many Requests\r\n%bretry-after: %b\r\ncontent-length: 2\r\n\r\n{}"
            await stream.send_all(head % (date, after))

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, refuse, [listener])
        port = listener.socket.getsockname()[1]
        busy = {"provider": "openai_compatible", "base_url": f"http://127.0.0.1:{port}", "models": ["busy"]}
        async with house(channels={"busy": busy}) as running:
            reply = await running.chat("busy", "Hi")
            assert reply.status == 429
            seconds = int(reply.headers["retry-after"])
            assert seconds == 90 if dated else 0 < seconds <= 100
        nursery.cancel_scope.cancel(reason="the test is over")
