"""Anthropic's own Python client against the gateway, with every provider behind it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anthropic
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
WEATHER: Any = {"name": "get_weather", "input_schema": CITY}

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def tool_uses(message: anthropic.types.Message) -> list[anthropic.types.ToolUseBlock]:
    """The calls; the others are thoughts, which hold the tokens that Gemini wants back."""
    return [block for block in message.content if block.type == "tool_use"]


async def with_client(running: Any, use: Callable[[anthropic.Anthropic], Any], **options: Any) -> Any:
    """Return what `use` makes of a client of the gateway."""
    settings: dict[str, Any] = {"api_key": "tg-test-token", "max_retries": 0} | options
    return await in_thread(lambda: anthropic.Anthropic(base_url=f"http://127.0.0.1:{running.port}", **settings), use)


async def test_plain_messages_are_answered(house: Houses, provider: str) -> None:
    async with house() as running:
        message = await with_client(
            running,
            lambda client: client.messages.create(
                model=PROVIDERS[provider], max_tokens=100, system="Be terse.", messages=[user("Hello")]
            ),
        )
        assert [block.text for block in message.content] == ['You said: "Hello".']
        assert (message.role, message.stop_reason) == ("assistant", "end_turn")
        assert message.usage.output_tokens == 4
        assert message._request_id == running.records[-1].request_id


async def test_streams_are_assembled_by_the_clients_helper(house: Houses, provider: str) -> None:
    def use(client: anthropic.Anthropic) -> Any:
        asked = user("Hello [sim: chunks=4]")
        with client.messages.stream(model=PROVIDERS[provider], max_tokens=100, messages=[asked]) as stream:
            return list(stream.text_stream), stream.get_final_message()

    async with house() as running:
        pieces, message = await with_client(running, use)
        assert "".join(pieces) == 'You said: "Hello".'
        assert len(pieces) > 1
        assert (message.content[0].text, message.stop_reason) == ('You said: "Hello".', "end_turn")
        assert message.usage.output_tokens == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_make_the_round_trip(house: Houses, provider: str, stream: bool) -> None:
    asked = user(f"Weather? [sim: {TWO_CALLS} fragments=3]")

    def create(client: anthropic.Anthropic, messages: Any) -> Any:
        given: Any = {"model": PROVIDERS[provider], "max_tokens": 100, "messages": messages, "tools": [WEATHER]}
        if not stream:
            return client.messages.create(**given)
        with client.messages.stream(**given) as events:
            return events.get_final_message()

    def use(client: anthropic.Anthropic) -> Any:
        called = create(client, [asked])
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": f"{degrees} degrees", "is_error": False}
            for block, degrees in zip(tool_uses(called), DEGREES, strict=True)
        ]
        answered = create(client, [asked, {"role": "assistant", "content": called.content}, user(results)])
        return called, answered

    async with house() as running:
        called, answered = await with_client(running, use)
        assert called.stop_reason == "tool_use"
        assert [(block.name, block.input) for block in tool_uses(called)] == CALLED
        assert len({block.id for block in tool_uses(called)}) == 2
        assert answered.stop_reason == "end_turn"
        assert "25 degrees" in answered.content[0].text
        assert_each_call_has_its_own_result(running)


async def test_images_reach_the_provider(house: Houses, provider: str) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    async with house() as running:
        message = await with_client(
            running,
            lambda client: client.messages.create(
                model=PROVIDERS[provider],
                max_tokens=100,
                messages=[user([image, {"type": "text", "text": "What is it?"}])],
            ),
        )
        assert message.stop_reason == "end_turn"
        assert PIXEL in running.simulator.observer.requests[-1].body


async def test_structured_output_follows_the_schema(house: Houses, provider: str) -> None:
    async with house() as running:
        message = await with_client(
            running,
            lambda client: client.messages.create(
                model=PROVIDERS[provider],
                max_tokens=100,
                messages=[user("Weather as JSON")],
                output_config={"format": {"type": "json_schema", "schema": FORECAST}},
            ),
        )
        assert_forecast(message.content[0].text)


async def test_the_clients_own_runner_answers_the_calls_without_a_thread_kept_for_it(
    house: Houses, provider: str
) -> None:
    """It begins a thread that the server would keep, is told that there is none, and sends the conversation whole."""

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"25 degrees in {city}"

    def use(client: anthropic.Anthropic) -> Any:
        asked = user('Weather? [sim: tool=get_weather args={"city":"Rome"}]')
        return client.beta.messages.tool_runner(
            model=PROVIDERS[provider], max_tokens=100, messages=[asked], tools=[get_weather]
        ).until_done()

    async with house() as running:
        message = await with_client(running, use)
        assert "25 degrees in Rome" in message.content[0].text
        assert [record.status for record in running.records] == [400, 200, 200]


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, anthropic.BadRequestError),
        (403, anthropic.PermissionDeniedError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic._exceptions.OverloadedError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_errors_are_the_clients_own_classes(
    house: Houses, provider: str, status: int, raised: type[anthropic.APIStatusError], stream: bool
) -> None:
    def use(client: anthropic.Anthropic) -> Any:
        asked = user(f"Hi [sim: status={status}]")
        with pytest.raises(raised) as caught:
            client.messages.create(model=PROVIDERS[provider], max_tokens=9, messages=[asked], stream=stream)
        return caught.value

    async with house() as running:
        error = await with_client(running, use)
        assert error.status_code == status
        assert error.body["type"] == "error"
        assert error.body["error"]["message"]
        assert error.request_id == running.records[-1].request_id


async def test_the_gateways_errors_are_the_clients_own_classes(house: Houses, provider: str) -> None:
    def wrong_token(client: anthropic.Anthropic) -> None:
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model=PROVIDERS[provider], max_tokens=9, messages=[user("Hi")])

    def unknown_model(client: anthropic.Anthropic) -> None:
        with pytest.raises(anthropic.NotFoundError, match=PROVIDERS[provider]):
            client.messages.create(model=PROVIDERS[provider] + "x", max_tokens=9, messages=[user("Hi")])

    async with house(channels={name: {"models": [model]} for name, model in PROVIDERS.items()}) as running:
        await with_client(running, wrong_token, api_key="wrong")
        await with_client(running, unknown_model)


async def test_the_client_tries_again_as_often_as_it_would_with_anthropic(house: Houses, provider: str) -> None:
    def use(client: anthropic.Anthropic) -> None:
        asked = user("Hi [sim: status=429 retry_after=0]")
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(model=PROVIDERS[provider], max_tokens=9, messages=[asked])

    async with house() as running:
        await with_client(running, use, max_retries=2)
        assert len(running.records) == 3


async def test_a_stream_that_breaks_raises_in_the_client(house: Houses, provider: str) -> None:
    def use(client: anthropic.Anthropic) -> Any:
        pieces: list[str] = []
        with pytest.raises(anthropic.APIError) as caught:  # noqa: SIM117 (the stream is opened inside on purpose)
            with client.messages.stream(
                model=PROVIDERS[provider], max_tokens=100, messages=[user("a b c d [sim: chunks=4 fail=error@2]")]
            ) as stream:
                pieces.extend(stream.text_stream)
        return pieces, caught.value

    async with house() as running:
        pieces, error = await with_client(running, use)
        assert pieces
        assert error.body["error"]["message"]


async def test_tokens_are_counted_and_models_listed(house: Houses, provider: str) -> None:
    def use(client: anthropic.Anthropic) -> Any:
        counted = client.messages.count_tokens(model=PROVIDERS[provider], messages=[user("Hello there")])
        return counted, list(client.models.list()), client.models.retrieve(PROVIDERS[provider])

    async with house() as running:
        counted, models, model = await with_client(running, use)
        assert counted.input_tokens > 0
        assert PROVIDERS[provider] in [one.id for one in models]
        assert (model.type, model.id) == ("model", PROVIDERS[provider])


async def test_models_come_page_by_page_until_there_are_no_more(house: Houses, provider: str) -> None:
    def use(client: anthropic.Anthropic) -> Any:
        paged = [model.id for model in client.models.list(limit=2)]
        last = client.models.list(limit=2, before_id=paged[-1])
        return [model.id for model in client.models.list()], paged, [model.id for model in last]

    async with house() as running:
        whole, paged, backwards = await with_client(running, use)
        assert paged == whole
        assert sorted(backwards) == sorted(whole[:-1])
