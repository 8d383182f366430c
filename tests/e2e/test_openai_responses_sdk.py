"""OpenAI's own Python client, asking for Responses, with every provider behind the gateway."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import openai
import pytest
import trio

Houses = Callable[..., AbstractAsyncContextManager[Any]]
PROVIDERS = {"openai": "gpt-test", "anthropic": "claude-test", "ollama": "llama-test", "gemini": "gemini-test"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


async def with_client(running: Any, use: Callable[[openai.OpenAI], Any], **options: Any) -> Any:
    """Return what `use` makes of a client of the gateway, in a thread of its own."""

    def run() -> Any:
        settings: dict[str, Any] = {"api_key": "tg-test-token", "max_retries": 0} | options
        with openai.OpenAI(base_url=f"http://127.0.0.1:{running.port}/v1", **settings) as client:
            return use(client)

    return await trio.to_thread.run_sync(run)


async def test_plain_input_is_answered(house: Houses, provider: str) -> None:
    async with house() as running:
        response = await with_client(
            running,
            lambda client: client.responses.create(
                model=PROVIDERS[provider], instructions="Be terse.", input="Hello", store=False
            ),
        )
        assert response.output_text == 'You said: "Hello".'
        assert (response.status, response.usage.output_tokens) == ("completed", 4)


async def test_streams_are_assembled_by_the_clients_helper(house: Houses, provider: str) -> None:
    def use(client: openai.OpenAI) -> Any:
        with client.responses.stream(model=PROVIDERS[provider], input="Hello [sim: chunks=4]", store=False) as stream:
            return list(stream), stream.get_final_response()

    async with house() as running:
        events, response = await with_client(running, use)
        pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
        assert "".join(pieces) == response.output_text == 'You said: "Hello".'
        assert len(pieces) > 1
        assert [event.sequence_number for event in events] == sorted({event.sequence_number for event in events})
        assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_make_the_round_trip(house: Houses, provider: str, stream: bool) -> None:
    calls = 'tool=get_weather args={"city":"Paris"} tool=get_weather args={"city":"Rome"} fragments=3'
    asked: Any = {"role": "user", "content": f"Weather? [sim: {calls}]"}

    def create(client: openai.OpenAI, items: Any) -> Any:
        given: Any = {"model": PROVIDERS[provider], "input": items, "tools": [WEATHER], "store": False}
        if not stream:
            return client.responses.create(**given)
        with client.responses.stream(**given) as events:
            return events.get_final_response()

    def use(client: openai.OpenAI) -> Any:
        called = create(client, [asked])
        functions = [item for item in called.output if item.type == "function_call"]
        results = [
            {"type": "function_call_output", "call_id": item.call_id, "output": f"{degrees} degrees"}
            for item, degrees in zip(functions, (18, 25), strict=True)
        ]
        replayed = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in called.output]
        return functions, create(client, [asked, *replayed, *results])

    async with house() as running:
        functions, answered = await with_client(running, use)
        assert [(item.name, msgspec.json.decode(item.arguments)) for item in functions] == [
            ("get_weather", {"city": "Paris"}),
            ("get_weather", {"city": "Rome"}),
        ]
        assert "25 degrees" in answered.output_text
        sent = running.simulator.observer.requests[-1].body
        assert sent.index("18 degrees") < sent.index("25 degrees"), "each call has its own result"


async def test_images_reach_the_provider(house: Houses, provider: str) -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    asked: Any = {"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, image]}
    async with house() as running:
        response = await with_client(
            running, lambda client: client.responses.create(model=PROVIDERS[provider], input=[asked], store=False)
        )
        assert response.output_text
        assert PIXEL in running.simulator.observer.requests[-1].body


async def test_structured_output_follows_the_schema(house: Houses, provider: str) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": False,
    }
    text: Any = {"format": {"type": "json_schema", "name": "weather", "schema": schema, "strict": True}}
    async with house() as running:
        response = await with_client(
            running,
            lambda client: client.responses.create(
                model=PROVIDERS[provider], input="Weather as JSON", text=text, store=False
            ),
        )
        read = msgspec.json.decode(response.output_text)
        assert (type(read["city"]), type(read["degrees"])) == (str, int)


@pytest.mark.parametrize(
    ("status", "raised"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_errors_are_the_clients_own_classes(
    house: Houses, provider: str, status: int, raised: type[openai.APIStatusError], stream: bool
) -> None:
    def use(client: openai.OpenAI) -> Any:
        with pytest.raises(raised) as caught:
            client.responses.create(model=PROVIDERS[provider], input=f"Hi [sim: status={status}]", stream=stream)
        return caught.value

    async with house() as running:
        error = await with_client(running, use)
        assert error.status_code == status
        assert error.body["message"]
        assert error.request_id == running.records[-1].request_id


async def test_the_gateways_errors_are_the_clients_own_classes(house: Houses, provider: str) -> None:
    def wrong_token(client: openai.OpenAI) -> None:
        with pytest.raises(openai.AuthenticationError):
            client.responses.create(model=PROVIDERS[provider], input="Hi")

    def unknown_model(client: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="nobody", input="Hi")

    async with house() as running:
        await with_client(running, wrong_token, api_key="wrong")
        await with_client(running, unknown_model)


async def test_the_client_tries_again_as_often_as_it_would_with_openai(house: Houses, provider: str) -> None:
    def use(client: openai.OpenAI) -> None:
        with pytest.raises(openai.RateLimitError):
            client.responses.create(model=PROVIDERS[provider], input="Hi [sim: status=429 retry_after=0]")

    async with house() as running:
        await with_client(running, use, max_retries=2)
        assert len(running.records) == 3


async def test_a_stream_that_breaks_says_so_and_is_never_completed(house: Houses, provider: str) -> None:
    """OpenAI's client hands the error out as the event that it is: only an `error` member would make it raise."""

    def use(client: openai.OpenAI) -> Any:
        asked = "a b c d [sim: chunks=4 fail=error@2]"
        return list(client.responses.create(model=PROVIDERS[provider], input=asked, stream=True))

    async with house() as running:
        events = await with_client(running, use)
        kinds = [event.type for event in events]
        assert "response.output_text.delta" in kinds
        assert "response.completed" not in kinds
        (error,) = [event for event in events if event.type == "error"]
        assert error.message
        assert kinds.index("error") >= len(kinds) - 2
