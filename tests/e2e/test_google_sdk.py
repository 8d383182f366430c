"""Google's own Python client against the gateway, with every provider behind it."""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from typing import Any, Literal

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel, Field

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
WEATHER = types.Tool(function_declarations=[types.FunctionDeclaration(name="get_weather", parameters_json_schema=CITY)])

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


async def with_client(running: Any, use: Callable[[genai.Client], Any], key: str = "tg-test-token") -> Any:
    """Return what `use` makes of a client of the gateway."""
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{running.port}")
    return await in_thread(lambda: closing(genai.Client(api_key=key, vertexai=False, http_options=options)), use)


async def test_a_stream_that_waits_for_its_first_event_is_waited_for(house: Houses, provider: str) -> None:
    def texts(client: genai.Client) -> list[str | None]:
        contents = "Hello [sim: latency_ms=300]"
        return [
            chunk.text for chunk in client.models.generate_content_stream(model=PROVIDERS[provider], contents=contents)
        ]

    async with house(timeouts={"keep_alive_s": 0.04}) as running:
        assert "".join(text or "" for text in await with_client(running, texts)) == 'You said: "Hello".'


async def test_plain_contents_are_answered(house: Houses, provider: str) -> None:
    config = types.GenerateContentConfig(system_instruction="Be terse.", max_output_tokens=100)
    async with house() as running:
        answer = await with_client(
            running,
            lambda client: client.models.generate_content(model=PROVIDERS[provider], contents="Hello", config=config),
        )
        assert answer.text == 'You said: "Hello".'
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        assert answer.usage_metadata.candidates_token_count == 4


async def test_streams_are_read_chunk_by_chunk(house: Houses, provider: str) -> None:
    async with house() as running:
        chunks = await with_client(
            running,
            lambda client: list(
                client.models.generate_content_stream(model=PROVIDERS[provider], contents="Hello [sim: chunks=4]")
            ),
        )
        assert "".join(chunk.text or "" for chunk in chunks) == 'You said: "Hello".'
        assert len(chunks) > 2
        assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
        assert chunks[-1].usage_metadata.candidates_token_count == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_make_the_round_trip(house: Houses, provider: str, stream: bool) -> None:
    config = types.GenerateContentConfig(
        tools=[WEATHER], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    asked = types.UserContent(parts=[types.Part(text=f"Weather? [sim: {TWO_CALLS}]")])

    def parts(client: genai.Client, contents: Any) -> list[types.Part]:
        given: Any = {"model": PROVIDERS[provider], "contents": contents, "config": config}
        chunks = client.models.generate_content_stream(**given) if stream else [client.models.generate_content(**given)]
        contents = [candidate.content for chunk in chunks for candidate in chunk.candidates or ()]
        return [part for content in contents if content is not None for part in content.parts or ()]

    def use(client: genai.Client) -> Any:
        called = [part for part in parts(client, [asked]) if part.function_call is not None]
        results = []
        for part, degrees in zip(called, DEGREES, strict=True):
            call = part.function_call
            assert call is not None
            response = types.FunctionResponse(id=call.id, name=call.name, response={"output": f"{degrees} degrees"})
            results.append(types.Part(function_response=response))
        turns = [asked, types.ModelContent(parts=called), types.UserContent(parts=results)]
        return called, "".join(part.text or "" for part in parts(client, turns))

    async with house() as running:
        called, answered = await with_client(running, use)
        assert [(part.function_call.name, part.function_call.args) for part in called] == CALLED
        assert "25 degrees" in answered
        assert_each_call_has_its_own_result(running)


async def test_images_reach_the_provider(house: Houses, provider: str) -> None:
    image = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    async with house() as running:
        answer = await with_client(
            running,
            lambda client: client.models.generate_content(model=PROVIDERS[provider], contents=[image, "What is it?"]),
        )
        assert answer.text
        sent = running.simulator.observer.requests[-1].body
        assert PIXEL in sent.replace("-", "+").replace("_", "/")  # Google's client writes the URL-safe alphabet


async def test_structured_output_follows_the_schema(house: Houses, provider: str) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=FORECAST)
    async with house() as running:
        answer = await with_client(
            running,
            lambda client: client.models.generate_content(
                model=PROVIDERS[provider], contents="Weather as JSON", config=config
            ),
        )
        assert_forecast(answer.text)


class Sky(enum.Enum):
    CLEAR = "clear"
    GREY = "grey"


async def test_a_choice_among_values_is_one_of_them(house: Houses, provider: str) -> None:
    config = types.GenerateContentConfig(response_mime_type="text/x.enum", response_schema=Sky)
    async with house() as running:
        answer = await with_client(
            running,
            lambda client: client.models.generate_content(
                model=PROVIDERS[provider], contents="The sky?", config=config
            ),
        )
        assert isinstance(answer.parsed, Sky)


class Reading(BaseModel):
    degrees: int = Field(ge=-90, le=60)
    sky: Literal["clear", "grey"]
    note: str | None = None


class Report(BaseModel):
    readings: list[Reading] = Field(min_length=1)


async def test_a_structured_answer_is_parsed_into_the_clients_model(house: Houses, provider: str) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Report)
    async with house() as running:
        answer = await with_client(
            running,
            lambda client: client.models.generate_content(
                model=PROVIDERS[provider], contents="Weather as JSON", config=config
            ),
        )
        assert isinstance(answer.parsed, Report)


@pytest.mark.parametrize(
    ("status", "raised", "word"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_errors_are_the_clients_own_classes(
    house: Houses, provider: str, status: int, raised: type[errors.APIError], word: str, stream: bool
) -> None:
    def use(client: genai.Client) -> Any:
        given: Any = {"model": PROVIDERS[provider], "contents": f"Hi [sim: status={status}]"}
        asked = client.models.generate_content_stream if stream else client.models.generate_content
        with pytest.raises(raised) as caught:
            list(asked(**given))
        return caught.value

    async with house() as running:
        error = await with_client(running, use)
        assert (error.code, error.status) == (status, word)
        assert error.message


async def test_the_gateways_errors_are_the_clients_own_classes(house: Houses, provider: str) -> None:
    def refused(model: str) -> Callable[[genai.Client], Any]:
        def use(client: genai.Client) -> Any:
            with pytest.raises(errors.ClientError) as caught:
                client.models.generate_content(model=model, contents="Hi")
            return caught.value

        return use

    async with house() as running:
        unknown = await with_client(running, refused("nobody"))
        assert (unknown.code, unknown.status) == (404, "NOT_FOUND")
        wrong = await with_client(running, refused(PROVIDERS[provider]), key="wrong")
        assert (wrong.code, wrong.status) == (401, "UNAUTHENTICATED")


async def test_the_client_tries_again_as_often_as_it_would_with_google(house: Houses, provider: str) -> None:
    def use(client: genai.Client) -> None:
        retries = types.HttpRetryOptions(attempts=3, initial_delay=0.001, max_delay=0.001)
        config = types.GenerateContentConfig(http_options=types.HttpOptions(retry_options=retries))
        with pytest.raises(errors.ClientError):
            client.models.generate_content(
                model=PROVIDERS[provider], contents="Hi [sim: status=429 retry_after=0]", config=config
            )

    async with house() as running:
        await with_client(running, use)
        assert [record.status for record in running.records] == [429] * 3


async def test_a_stream_that_breaks_raises_in_the_client(house: Houses, provider: str) -> None:
    def use(client: genai.Client) -> Any:
        pieces: list[str] = []
        chunks = client.models.generate_content_stream(
            model=PROVIDERS[provider], contents="a b c d [sim: chunks=4 fail=error@2]"
        )
        with pytest.raises(errors.APIError) as caught:
            pieces.extend(chunk.text or "" for chunk in chunks)
        return pieces, caught.value

    async with house() as running:
        pieces, error = await with_client(running, use)
        assert pieces
        assert error.message


async def test_texts_are_embedded_where_the_provider_can(house: Houses, provider: str) -> None:
    def use(client: genai.Client) -> Any:
        config = types.EmbedContentConfig(output_dimensionality=6)
        # Of the newer models of its own the client makes one vector of all texts.
        model = PROVIDERS[provider] if provider != "gemini" else "gemini-embedding-001"
        given: Any = {"model": model, "contents": ["one", "two"], "config": config}
        if provider != "anthropic":
            return client.models.embed_content(**given)
        with pytest.raises(errors.ClientError, match="serves no embeddings"):
            client.models.embed_content(**given)
        return None

    async with house(channels={"gemini": {"models": ["gemini-*"]}}) as running:
        answer = await with_client(running, use)
        assert answer is None or [len(one.values) for one in answer.embeddings] == [6, 6]


async def test_tokens_are_counted_and_models_listed(house: Houses, provider: str) -> None:
    def use(client: genai.Client) -> Any:
        counted = client.models.count_tokens(model=PROVIDERS[provider], contents="Hello there")
        return counted, list(client.models.list()), client.models.get(model=PROVIDERS[provider])

    async with house() as running:
        counted, models, model = await with_client(running, use)
        assert counted.total_tokens > 0
        assert f"models/{PROVIDERS[provider]}" in [one.name for one in models]
        assert model.name == f"models/{PROVIDERS[provider]}"


async def test_models_come_page_by_page_until_there_are_no_more(house: Houses, provider: str) -> None:
    def use(client: genai.Client) -> Any:
        return [[model.name for model in client.models.list(config=config)] for config in (None, {"page_size": 2})]

    async with house() as running:
        whole, paged = await with_client(running, use)
        assert paged == whole
        assert len(paged) > 2
