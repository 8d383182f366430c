"""Ollama's own Python client against the gateway, with every provider behind it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import ollama
import pytest
from pydantic import BaseModel, Field

from tests.e2e.apis import PROVIDERS
from tests.e2e.vendors import (
    CALLED,
    DEGREES,
    FORECAST,
    PIXEL,
    TWO_CALLS,
    WEATHER,
    assert_each_call_has_its_own_result,
    assert_forecast,
    in_thread,
)

Houses = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


def user(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


async def with_client(running: Any, use: Callable[[ollama.Client], Any], token: str = "tg-test-token") -> Any:
    """Return what `use` makes of a client of the gateway."""
    headers = {"Authorization": f"Bearer {token}"}
    return await in_thread(lambda: ollama.Client(host=f"http://127.0.0.1:{running.port}", headers=headers), use)


async def test_plain_chats_are_answered(house: Houses, provider: str) -> None:
    messages = [{"role": "system", "content": "Be terse."}, user("Hello")]
    async with house() as running:
        answer = await with_client(running, lambda client: client.chat(PROVIDERS[provider], messages))
        assert answer.message.content == 'You said: "Hello".'
        assert (answer.done, answer.done_reason, answer.eval_count) == (True, "stop", 4)


async def test_streams_are_read_line_by_line(house: Houses, provider: str) -> None:
    asked = user("Hello [sim: chunks=4]")
    async with house() as running:
        lines = await with_client(running, lambda client: list(client.chat(PROVIDERS[provider], [asked], stream=True)))
        assert "".join(line.message.content or "" for line in lines) == 'You said: "Hello".'
        assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
        assert len(lines) > 2


async def test_prompts_are_generated_from(house: Houses, provider: str) -> None:
    def use(client: ollama.Client) -> Any:
        plain = client.generate(PROVIDERS[provider], "Hello", system="Be terse.")
        return plain, list(client.generate(PROVIDERS[provider], "Hello [sim: chunks=4]", stream=True))

    async with house() as running:
        plain, lines = await with_client(running, use)
        assert plain.response == 'You said: "Hello".'
        assert "".join(line.response for line in lines) == 'You said: "Hello".'
        assert lines[-1].done


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_make_the_round_trip(house: Houses, provider: str, stream: bool) -> None:
    asked = user(f"Weather? [sim: {TWO_CALLS}]")

    def messages(client: ollama.Client, given: list[Any]) -> list[ollama.Message]:
        if stream:
            answers = list(client.chat(PROVIDERS[provider], given, tools=[WEATHER], stream=True))
        else:
            answers = [client.chat(PROVIDERS[provider], given, tools=[WEATHER])]
        return [answer.message for answer in answers]

    def use(client: ollama.Client) -> Any:
        called = [call for message in messages(client, [asked]) for call in message.tool_calls or ()]
        results = [
            {"role": "tool", "content": f"{degrees} degrees", "tool_name": call.function.name}
            for call, degrees in zip(called, DEGREES, strict=True)
        ]
        turns = [asked, ollama.Message(role="assistant", content="", tool_calls=called), *results]
        return called, "".join(message.content or "" for message in messages(client, turns))

    async with house() as running:
        called, answered = await with_client(running, use)
        assert [(call.function.name, call.function.arguments) for call in called] == CALLED
        assert "25 degrees" in answered
        assert_each_call_has_its_own_result(running)


async def test_images_reach_the_provider(house: Houses, provider: str) -> None:
    asked = user("What is it?", images=[base64.b64decode(PIXEL)])
    async with house() as running:
        answer = await with_client(running, lambda client: client.chat(PROVIDERS[provider], [asked]))
        assert answer.message.content
        assert PIXEL in running.simulator.observer.requests[-1].body


async def test_structured_output_follows_the_schema(house: Houses, provider: str) -> None:
    async with house() as running:
        answer = await with_client(
            running, lambda client: client.chat(PROVIDERS[provider], [user("Weather as JSON")], format=FORECAST)
        )
        assert_forecast(answer.message.content)


class Reading(BaseModel):
    degrees: int = Field(ge=-90, le=60)
    note: str | None = Field(default=None, max_length=20)


async def test_a_models_own_schema_is_taken_by_every_provider(house: Houses, provider: str) -> None:
    schema = Reading.model_json_schema()
    async with house() as running:
        answer = await with_client(
            running, lambda client: client.chat(PROVIDERS[provider], [user("Weather as JSON")], format=schema)
        )
        assert Reading.model_validate_json(answer.message.content)


ASKED_TO_SHOW = {
    "openai": ("reasoning", {"effort": "high", "summary": "auto"}),
    "anthropic": ("thinking", {"type": "adaptive", "display": "summarized"}),
    "ollama": ("think", "high"),
    "gemini": ("generationConfig", {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "HIGH"}}),
}


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_are_asked_for_and_told(house: Houses, provider: str, stream: bool) -> None:
    asked = [user("Hi [sim: reasoning=Hm]")]

    def use(client: ollama.Client) -> str:
        if not stream:
            return client.chat(PROVIDERS[provider], asked, think="high").message.thinking or ""
        lines = client.chat(PROVIDERS[provider], asked, think="high", stream=True)
        return "".join(line.message.thinking or "" for line in lines)

    async with house() as running:
        assert await with_client(running, use) == "Hm"
        member, expected = ASKED_TO_SHOW[provider]
        assert json.loads(running.simulator.observer.requests[-1].body)[member] == expected


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_errors_are_the_clients_own(house: Houses, provider: str, status: int, stream: bool) -> None:
    def use(client: ollama.Client) -> Any:
        asked = user(f"Hi [sim: status={status}]")
        with pytest.raises(ollama.ResponseError) as caught:
            list(client.chat(PROVIDERS[provider], [asked], stream=stream))
        return caught.value

    async with house() as running:
        error = await with_client(running, use)
        assert error.status_code == status
        assert error.error
        assert "{" not in error.error, "the message, and not a body"


async def test_the_gateways_errors_are_the_clients_own(house: Houses, provider: str) -> None:
    def refused(model: str) -> Callable[[ollama.Client], Any]:
        def use(client: ollama.Client) -> Any:
            with pytest.raises(ollama.ResponseError) as caught:
                client.chat(model, [user("Hi")])
            return caught.value

        return use

    async with house() as running:
        unknown = await with_client(running, refused("nobody"))
        assert (unknown.status_code, "nobody" in unknown.error) == (404, True)
        wrong = await with_client(running, refused(PROVIDERS[provider]), token="wrong")
        assert wrong.status_code == 401


async def test_a_stream_that_breaks_raises_in_the_client(house: Houses, provider: str) -> None:
    def use(client: ollama.Client) -> Any:
        pieces: list[str] = []
        lines = client.chat(PROVIDERS[provider], [user("a b c d [sim: chunks=4 fail=error@2]")], stream=True)
        with pytest.raises(ollama.ResponseError) as caught:
            pieces.extend(line.message.content or "" for line in lines)
        return pieces, caught.value

    async with house() as running:
        pieces, error = await with_client(running, use)
        assert "".join(pieces)
        assert error.error


async def test_models_are_listed_and_shown(house: Houses, provider: str) -> None:
    async with house() as running:
        listed, shown = await with_client(running, lambda client: (client.list(), client.show(PROVIDERS[provider])))
        assert PROVIDERS[provider] in [model.model for model in listed.models]
        assert "completion" in shown.capabilities


async def test_texts_are_embedded_where_the_provider_can(house: Houses, provider: str) -> None:
    def use(client: ollama.Client) -> Any:
        if provider != "anthropic":
            return client.embed(PROVIDERS[provider], ["one", "two"])
        with pytest.raises(ollama.ResponseError, match="serves no embeddings"):
            client.embed(PROVIDERS[provider], ["one", "two"])
        return None

    async with house() as running:
        answer = await with_client(running, use)
        assert answer is None or len(answer.embeddings) == 2
