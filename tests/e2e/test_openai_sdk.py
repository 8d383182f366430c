"""The official openai client for Python, sync and async, against a running gateway, for each provider behind it.

Each test says what it asks of the client once: `Sdk` carries it out with either of the two.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 (the vendor's async client is an asyncio one; the gateway is in another process)
import base64
import inspect
import json
from collections.abc import Callable
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import BaseModel

from tests.e2e.processes import EMBEDDING_MODELS, MODELS, TOKEN, Served, Simulated
from tests.e2e.vendors import CALLED, DEGREES, PIXEL, TWO_CALLS, WEATHER


class Sdk:
    """One of the two clients. It never retries unless told to."""

    def __init__(self, url: str, kind: Literal["sync", "async"]) -> None:
        self._url = url
        self._kind = kind

    def ask(self, question: Callable[[Any], Any], *, key: str = TOKEN, **options: Any) -> Any:
        """Return what `question` gets from the client: an answer, or the list of a stream's chunks."""
        settings = {"base_url": f"{self._url}/v1", "api_key": key, "max_retries": 0, "timeout": 20, **options}
        if self._kind == "async":
            return asyncio.run(self._ask_async(question, settings))
        with openai.OpenAI(**settings) as client:
            answer = question(client)
            return list(answer) if isinstance(answer, openai.Stream) else answer

    async def _ask_async(self, question: Callable[[Any], Any], settings: dict[str, Any]) -> Any:
        async with openai.AsyncOpenAI(**settings) as client:
            answer = question(client)
            if inspect.isawaitable(answer):
                answer = await answer
            return [chunk async for chunk in answer] if isinstance(answer, openai.AsyncStream) else answer

    def chat(self, model: str, text: str, **fields: Any) -> Any:
        messages = fields.pop("messages", None) or [{"role": "user", "content": text}]
        return self.ask(lambda client: client.chat.completions.create(model=model, messages=messages, **fields))


@pytest.fixture(params=["sync", "async"])
def sdk(served: Served, request: pytest.FixtureRequest) -> Sdk:
    return Sdk(served.url, request.param)


def said(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


# ------------------------------------------------------------------------------------------------- talking


@pytest.mark.parametrize("provider", MODELS)
def test_a_plain_answer(sdk: Sdk, provider: str) -> None:
    answer: ChatCompletion = sdk.chat(MODELS[provider], "Hello, Ünïcode ✓")
    (choice,) = answer.choices
    assert choice.message.content == 'You said: "Hello, Ünïcode ✓".'
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "stop"
    assert answer.model == MODELS[provider]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("provider", MODELS)
def test_a_stream_says_the_same_and_tells_its_usage_when_asked(sdk: Sdk, provider: str) -> None:
    text = "Hello, Ünïcode ✓ [sim: chunks=5 prompt=11 completion=7]"
    chunks = sdk.chat(MODELS[provider], text, stream=True, stream_options={"include_usage": True})
    assert said(chunks) == 'You said: "Hello, Ünïcode ✓".'
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (11, 7, 18)
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert all(chunk.usage is None for chunk in sdk.chat(MODELS[provider], "Hello", stream=True))


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("provider", MODELS)
def test_instructions_arrive_as_instructions(sdk: Sdk, provider: str, role: str) -> None:
    # The simulated providers obey a directive where their format has its instructions, or in the last user's text.
    messages = [
        {"role": role, "content": '[sim: text="As instructed."]'},
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": "Well"},
        {"role": "user", "content": "Then"},
    ]
    answer = sdk.chat(MODELS[provider], "", messages=messages)
    assert answer.choices[0].message.content == "As instructed."


@pytest.mark.parametrize("provider", MODELS)
def test_an_image_arrives_byte_for_byte(sdk: Sdk, simulated: Simulated, mark: str, provider: str) -> None:
    parts = [
        {"type": "text", "text": mark},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = sdk.chat(MODELS[provider], "", messages=[{"role": "user", "content": parts}])
    assert mark in answer.choices[0].message.content
    (request,) = simulated.seen(mark)
    assert request.provider == provider
    assert PIXEL in request.body


class Forecast(BaseModel):
    city: str
    degrees: int


@pytest.mark.parametrize("provider", MODELS)
def test_a_structured_answer_is_parsed(sdk: Sdk, provider: str) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "The weather in Rome?"}]
    answer = sdk.ask(
        lambda client: client.chat.completions.parse(
            model=MODELS[provider], messages=messages, response_format=Forecast
        )
    )
    assert answer.choices[0].message.parsed == Forecast(city="example", degrees=1)


# --------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("provider", MODELS)
def test_tool_calls_and_their_results_go_round(sdk: Sdk, provider: str, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": f"Weather? [sim: {TWO_CALLS} fragments=5]"}]
    model = MODELS[provider]
    answer = sdk.chat(model, "", messages=messages, tools=[WEATHER], stream=stream)
    calls = calls_streamed(answer) if stream else calls_of(answer)
    assert [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls] == CALLED
    assert len({call["id"] for call in calls}) == 2
    messages.append({"role": "assistant", "content": None, "tool_calls": calls})
    messages += [
        {"role": "tool", "tool_call_id": call["id"], "content": f"{degrees} degrees"}
        for call, degrees in zip(calls, DEGREES, strict=True)
    ]
    after = sdk.chat(model, "", messages=messages, tools=[WEATHER], stream=stream)
    assert "25 degrees" in (said(after) if stream else after.choices[0].message.content)


def calls_of(answer: ChatCompletion) -> list[dict[str, Any]]:
    assert answer.choices[0].finish_reason == "tool_calls"
    return [call.model_dump() for call in answer.choices[0].message.tool_calls or []]


def calls_streamed(chunks: list[ChatCompletionChunk]) -> list[dict[str, Any]]:
    """Put the calls together as the format's reference says: by their index."""
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for delta in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            call = calls.setdefault(delta.index, {"type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = delta.id or call["id"]
            assert delta.function is not None
            call["function"]["name"] += delta.function.name or ""
            call["function"]["arguments"] += delta.function.arguments or ""
    assert [choice.finish_reason for choice in chunks[-1].choices] == ["tool_calls"]
    return [calls[index] for index in sorted(calls)]


@pytest.mark.parametrize("provider", MODELS)
def test_the_clients_own_stream_assembles_a_forced_call(served: Served, provider: str) -> None:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=TOKEN) as client:
        choice: Any = {"type": "function", "function": {"name": "get_weather"}}
        # Ollama has no tool choice: the simulated one calls the tool that the text names.
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Please get_weather"}]
        with client.chat.completions.stream(
            model=MODELS[provider], messages=messages, tools=[WEATHER], tool_choice=choice
        ) as stream:
            kinds = {event.type for event in stream}
            message = stream.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.done" in kinds
    assert message.tool_calls is not None
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "example"}


# ------------------------------------------------------------------------------------ embeddings and models


@pytest.mark.parametrize("provider", EMBEDDING_MODELS)
def test_embeddings_are_the_same_in_both_forms(sdk: Sdk, provider: str) -> None:
    def vectors(**fields: Any) -> list[list[float]]:
        model = EMBEDDING_MODELS[provider]
        answer = sdk.ask(lambda client: client.embeddings.create(model=model, input=["one", "two"], **fields))
        assert [entry.index for entry in answer.data] == [0, 1]
        assert answer.usage.prompt_tokens > 0
        return [entry.embedding for entry in answer.data]

    packed = vectors()  # the client asks for base64 by itself, and unpacks it
    assert packed == vectors(encoding_format="float")
    assert packed[0] != packed[1]
    assert all(isinstance(number, float) for number in packed[0])


def test_the_base64_form_reaches_who_asks_for_it(sdk: Sdk) -> None:
    for model in EMBEDDING_MODELS.values():
        answer = sdk.ask(
            lambda client, model=model: client.embeddings.create(model=model, input="x", encoding_format="base64")
        )
        assert len(base64.b64decode(answer.data[0].embedding)) % 4 == 0


def test_models_are_listed_and_told_one_by_one(sdk: Sdk) -> None:
    page = sdk.ask(lambda client: client.models.list())
    owners = {model.id: model.owned_by for model in page.data}
    assert {owners[model]: model for model in MODELS.values()} == MODELS
    for provider, model in MODELS.items():
        one = sdk.ask(lambda client, model=model: client.models.retrieve(model))
        assert (one.id, one.owned_by) == (model, provider)
        outright = sdk.ask(lambda client, name=f"{provider}/any/model": client.models.retrieve(name))
        assert outright.owned_by == provider


# -------------------------------------------------------------------------------------------------- failing


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("provider", MODELS)
def test_a_providers_error_is_the_clients_own(
    sdk: Sdk, provider: str, status: int, error: type[openai.APIStatusError], stream: bool
) -> None:
    with pytest.raises(error) as raised:
        sdk.chat(MODELS[provider], f"Hi [sim: status={status}]", stream=stream)
    assert raised.value.status_code == (503 if status == 529 else status)
    words = "unauthorized" if (provider, status) == ("ollama", 401) else f"asked for status {status}"
    assert words in raised.value.message
    assert raised.value.request_id is not None


def test_a_wrong_token_is_an_authentication_error(sdk: Sdk) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        sdk.ask(lambda client: client.models.list(), key="wrong")
    assert raised.value.code == "invalid_api_key"


def test_an_unknown_model_is_not_found_and_the_error_says_which_are(sdk: Sdk) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-5-mini") as raised:
        sdk.chat("gpt-5-maxi", "Hi")
    assert raised.value.code == "model_not_found"


@pytest.mark.parametrize("provider", MODELS)
def test_a_bad_body_is_a_bad_request_that_names_the_field(
    sdk: Sdk, simulated: Simulated, mark: str, provider: str
) -> None:
    messages = [{"role": "user", "content": mark}, {"role": "user", "content": 5}]
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.chat(MODELS[provider], "", messages=messages)
    assert raised.value.param == "messages[1].content"
    assert raised.value.type == "invalid_request_error"
    assert simulated.seen(mark) == [], "nothing was sent upstream"


@pytest.mark.parametrize("provider", MODELS)
def test_a_rate_limited_client_tries_again_when_it_was_told_to(
    sdk: Sdk, simulated: Simulated, mark: str, provider: str
) -> None:
    messages = [{"role": "user", "content": f"{mark} [sim: status=429 retry_after=1]"}]
    with pytest.raises(openai.RateLimitError) as raised:
        sdk.ask(lambda client: client.chat.completions.create(model=MODELS[provider], messages=messages), max_retries=1)
    first, second = simulated.seen(mark)
    if provider != "ollama":  # it sends no such header, and the client waits as it likes
        assert raised.value.response.headers["retry-after"] == "1"
        assert second.received_at - first.received_at >= 1.0


@pytest.mark.parametrize("how", ["error@2", "cut@2", "eof@2"])
@pytest.mark.parametrize("provider", MODELS)
def test_a_stream_that_breaks_raises(sdk: Sdk, provider: str, how: str) -> None:
    with pytest.raises(openai.APIError) as raised:
        sdk.chat(MODELS[provider], f"a b c d [sim: chunks=4 fail={how}]", stream=True)
    assert raised.value.body is not None
    assert type(raised.value) is openai.APIError, "told by the stream itself, not by a broken connection"


def test_a_provider_without_an_answer_is_a_504(sdk: Sdk) -> None:
    with pytest.raises(openai.InternalServerError, match="first_event_s") as raised:
        sdk.chat("hasty", "Hi [sim: silence=headers]")
    assert raised.value.status_code == 504


@pytest.mark.parametrize("provider", MODELS)
def test_a_client_that_gives_up_has_its_exchange_cancelled(sdk: Sdk, served: Served, mark: str, provider: str) -> None:
    messages = [{"role": "user", "content": "Hi [sim: silence=headers]"}]
    with pytest.raises(openai.APITimeoutError):
        sdk.ask(
            lambda client: client.chat.completions.create(
                model=MODELS[provider], messages=messages, extra_headers={"x-request-id": mark}
            ),
            timeout=0.5,  # long enough for the request to have arrived
        )
    (line,) = served.process.stderr.wait_for(f'.*"{mark}".*')
    assert json.loads(line[0])["outcome"] == "cancelled"
