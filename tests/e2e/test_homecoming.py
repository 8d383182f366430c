"""A conversation that another provider has answered goes on with one of the client's own dialect."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.e2e.apis import APIS, PROVIDERS

Houses = Callable[..., AbstractAsyncContextManager[Any]]

ASKED = "[sim: reasoning=hm signature=c2ln text=ok] Hi"


def _messages(answer: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": answer["content"]}
    return {"messages": [{"role": "user", "content": "Hi"}, said, {"role": "user", "content": "Go on"}]}


def _input(answer: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": "Hi"}, *answer["output"], {"role": "user", "content": "Go on"}]}


def _contents(answer: Any) -> dict[str, Any]:
    user = {"role": "user", "parts": [{"text": "Hi"}]}
    return {"contents": [user, answer["candidates"][0]["content"], user]}


@pytest.mark.parametrize(
    ("name", "foreign", "goes_on", "carrier", "lost"),
    [
        ("anthropic_messages", "openai", _messages, '"signature":""', "messages.1.content.0"),
        ("openai_responses", "anthropic", _input, "trio:anthropic_messages:", "input.1"),
        ("gemini", "anthropic", _contents, "dHJpbz", "contents.1.parts.0"),
    ],
)
async def test_thoughts_that_the_provider_did_not_sign_itself_stay_behind(
    house: Houses, name: str, foreign: str, goes_on: Callable[[Any], dict[str, Any]], carrier: str, lost: str
) -> None:
    api = APIS[name]
    async with house() as running:
        first = await running.post(api.path(PROVIDERS[foreign], False), api.body(PROVIDERS[foreign], ASKED, False))
        assert first.status == 200
        assert carrier in first.body.decode()
        own = PROVIDERS[api.same]
        second = await running.post(api.path(own, False), api.body(own, "Hi", False) | goes_on(first.json()))
        assert second.status == 200, second.body
        assert lost in second.headers["x-gateway-loss"]
