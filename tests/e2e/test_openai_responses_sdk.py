"""OpenAI's own Python client, asking for Responses, with every provider behind the gateway."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import openai
import pytest

from tests.e2e.apis import PROVIDERS
from tests.e2e.vendors import (
    CALLED,
    CITY,
    DEGREES,
    FORECAST,
    PIXEL,
    TWO_CALLS,
    assert_each_call_has_its_own_result,
    assert_forecast,
    in_thread,
)

Houses = Callable[..., AbstractAsyncContextManager[Any]]
WEATHER: Any = {"type": "function", "name": "get_weather", "strict": False, "parameters": CITY}

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


async def with_client(running: Any, use: Callable[[openai.OpenAI], Any], **options: Any) -> Any:
    """Return what `use` makes of a client of the gateway."""
    settings: dict[str, Any] = {"api_key": "tg-test-token", "max_retries": 0} | options
    return await in_thread(lambda: openai.OpenAI(base_url=f"http://127.0.0.1:{running.port}/v1", **settings), use)


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
    asked: Any = {"role": "user", "content": f"Weather? [sim: {TWO_CALLS} fragments=3]"}

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
            for item, degrees in zip(functions, DEGREES, strict=True)
        ]
        replayed = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in called.output]
        return functions, create(client, [asked, *replayed, *results])

    async with house() as running:
        functions, answered = await with_client(running, use)
        assert [(item.name, msgspec.json.decode(item.arguments)) for item in functions] == CALLED
        assert "25 degrees" in answered.output_text
        assert_each_call_has_its_own_result(running)


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
    text: Any = {"format": {"type": "json_schema", "name": "weather", "schema": FORECAST, "strict": True}}
    async with house() as running:
        response = await with_client(
            running,
            lambda client: client.responses.create(
                model=PROVIDERS[provider], input="Weather as JSON", text=text, store=False
            ),
        )
        assert_forecast(response.output_text)


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


@pytest.mark.parametrize("how", ["error@2", "cut@2"])
async def test_a_stream_that_breaks_says_so_and_is_never_completed(house: Houses, provider: str, how: str) -> None:
    """OpenAI's client hands the error out as the event that it is: only an `error` member would make it raise."""

    def use(client: openai.OpenAI) -> Any:
        asked = f"a b c d [sim: chunks=4 fail={how}]"
        return list(client.responses.create(model=PROVIDERS[provider], input=asked, stream=True))

    async with house() as running:
        events = await with_client(running, use)
        kinds = [event.type for event in events]
        assert "response.output_text.delta" in kinds
        assert "response.completed" not in kinds
        (error,) = [event for event in events if event.type == "error"]
        assert error.message
        assert kinds.index("error") == len(kinds) - 2
        assert kinds[-1] == "response.failed"
        assert events[-1].response.status == "failed"
        assert events[-1].response.error.message == error.message
        assert events[-1].response.id == events[0].response.id
