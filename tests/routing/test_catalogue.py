from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from trio_gateway.config import ChannelConfig
from trio_gateway.errors import UpstreamBroke, UpstreamError, UpstreamUnreachable
from trio_gateway.routing.catalogue import ASK_S, DISCOVER_S, FRESH_S, LIST_MAX_BYTES, ROUTED, Catalogue, ask_models
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.table import RoutingTable
from trio_gateway.routing_config import Timeouts
from trio_gateway.secrets import Secret

KEY = "sk-0123456789"


class Provider:
    """In an upstream's place: lists models, or does what else it is told to."""

    def __init__(self, *models: str) -> None:
        self.status = 200
        self.body = json.dumps({"data": [{"id": model} for model in models]}).encode()
        self.error: UpstreamError | None = None
        self.silent = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.closed = 0

    async def open(self, *request: Any) -> Provider:
        self.asked.append(request)
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        if self.silent:
            await trio.sleep_forever()
        return self

    async def read(self, at_most: int) -> bytes:
        assert at_most == LIST_MAX_BYTES
        await trio.lowlevel.checkpoint()
        return self.body

    async def aclose(self) -> None:
        self.closed += 1


def channel(provider: Provider, *models: str, of: str = "openai", discover: bool = False) -> Channel:
    config = ChannelConfig(provider=of, api_key=Secret(KEY), models=list(models), discover=discover)
    made = Channel("c", config, Timeouts())
    made.upstream = provider  # type: ignore[assignment]  # of which `open` alone is used
    return made


def catalogue(routes: Sequence[str] = (), **channels: Channel) -> Catalogue:
    return Catalogue(channels, RoutingTable({name: made.config for name, made in channels.items()}), routes)


@pytest.mark.parametrize(
    ("of", "path", "body", "models"),
    [
        (
            "openai",
            b"/v1/models",
            {"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b"}]},
            {"a", "b"},
        ),
        (
            "anthropic",
            b"/v1/models?limit=1000",
            {"data": [{"type": "model", "id": "a", "display_name": "A"}], "has_more": False},
            {"a"},
        ),
        ("ollama", b"/api/tags", {"models": [{"name": "a:8b", "model": "a:8b", "size": 1}]}, {"a:8b"}),
        (
            "gemini",
            b"/v1beta/models?pageSize=1000",
            {"models": [{"name": "models/a"}, {"name": "models/b"}], "nextPageToken": "x"},
            {"a", "b"},
        ),
        ("openai", b"/v1/models", {"data": [{"id": ""}, {"name": None}, {"owned_by": "x"}]}, set()),
        ("openai", b"/v1/models", {}, set()),
    ],
)
async def test_a_list_is_read_as_each_provider_writes_it(of: str, path: bytes, body: Any, models: set[str]) -> None:
    provider = Provider()
    provider.body = json.dumps(body).encode()
    assert await ask_models(channel(provider, of=of)) == models
    ((method, asked, headers, sent),) = provider.asked
    assert (method, asked, sent, provider.closed) == (b"GET", path, b"", 1)
    assert any(KEY.encode() in value for _, value in headers)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":5}', b'{"data":[{"id":"\xff"}]}', b"[" * 5000])
async def test_what_is_no_list_is_the_providers_fault(body: bytes) -> None:
    provider = Provider()
    provider.body = body
    with pytest.raises(UpstreamBroke):
        await ask_models(channel(provider))
    assert provider.closed == 1


async def test_a_refusal_is_told_without_the_key() -> None:
    provider = Provider()
    provider.status, provider.body = 401, json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()
    with pytest.raises(UpstreamError, match="bad key") as caught:
        await ask_models(channel(provider))
    assert (caught.value.status, provider.closed) == (401, 1)
    assert KEY not in caught.value.message


async def test_names_are_those_that_are_spelled_out_and_those_that_a_provider_has_for_a_pattern() -> None:
    asked, unasked = Provider("gpt-1", "gpt-2", "whisper"), Provider("claude-9")
    known = catalogue(["smart"], a=channel(asked, "gpt-*", "extra"), b=channel(unasked, "claude-1", of="anthropic"))
    assert await known.models() == {"smart": ROUTED, "extra": "a", "claude-1": "b", "gpt-1": "a", "gpt-2": "a"}
    assert unasked.asked == []


async def test_a_name_is_the_channels_that_a_request_would_go_to_even_if_another_lists_it_too() -> None:
    first, second = Provider("m-1", "m-2", "x-9"), Provider("m-1", "m-2", "m-3", "x-1")
    known = catalogue(a=channel(first, "m-1*"), b=channel(second, "m-*", "x-*"))
    assert await known.models() == {"m-1": "a", "m-2": "b", "m-3": "b", "x-1": "b"}


async def test_a_list_is_asked_for_again_when_it_is_no_longer_fresh(autojump_clock: trio.testing.MockClock) -> None:
    provider = Provider("m-1")
    known = catalogue(a=channel(provider, "m-*"))
    await known.models()
    await trio.sleep(FRESH_S - 1)
    await known.models()
    assert len(provider.asked) == 1
    await trio.sleep(1)
    provider.body = b'{"data":[{"id":"m-2"}]}'
    assert await known.models() == {"m-2": "a"}
    assert len(provider.asked) == 2


@pytest.mark.parametrize("how", ["unreachable", "silent", "broken"])
async def test_a_provider_that_does_not_answer_is_left_out_or_as_it_was_and_the_log_says_so(
    how: str, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    provider, other = Provider("m-1"), Provider("n-1")
    known = catalogue(a=channel(provider, "m-*"), b=channel(other, "n-*"))
    if how == "unreachable":
        provider.error = UpstreamUnreachable("nobody is there")
    provider.silent = how == "silent"
    body, provider.body = provider.body, b"<html>" if how == "broken" else provider.body
    began_s = trio.current_time()
    assert await known.models() == {"n-1": "b"}
    assert trio.current_time() - began_s == (ASK_S if how == "silent" else 0)
    assert "The channel a does not list its models: " in caplog.text
    # It is not asked at every request. Once it answers, what it said stands when it fails again.
    assert await known.models() == {"n-1": "b"}
    assert len(provider.asked) == 1
    await trio.sleep(FRESH_S)
    provider.error, provider.silent, provider.body = None, False, body
    assert await known.models() == {"m-1": "a", "n-1": "b"}
    await trio.sleep(FRESH_S)
    provider.error = UpstreamUnreachable("nobody is there")
    assert await known.models() == {"m-1": "a", "n-1": "b"}


async def test_providers_are_asked_at_the_same_time(autojump_clock: trio.testing.MockClock) -> None:
    silent = [Provider(), Provider(), Provider()]
    for provider in silent:
        provider.silent = True
    known = catalogue(**{f"c{number}": channel(provider, "m-*") for number, provider in enumerate(silent)})
    await known.models()
    assert trio.current_time() == pytest.approx(ASK_S, abs=0.1)


async def test_a_channel_that_is_discovered_is_asked_in_the_background_and_by_no_request(
    autojump_clock: trio.testing.MockClock,
) -> None:
    found, other = Provider("m-1"), Provider("n-1")
    known = catalogue(a=channel(found, "m-*", discover=True), b=channel(other, "n-*"))
    assert await known.models() == {"n-1": "b"}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(known.keep_fresh)
        await trio.sleep(DISCOVER_S * 2.5)
        assert len(found.asked) == 3
        assert await known.models() == {"m-1": "a", "n-1": "b"}
        assert len(found.asked) == 3
        nursery.cancel_scope.cancel(reason="the test is over")
