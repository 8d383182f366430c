"""The official openai client against the simulated OpenAI."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from trio.to_thread import run_sync as in_thread

from trio_gateway.simulator import Simulator

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Rome"]}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=simulator.origins["openai"] + "/v1", api_key="sk-x", max_retries=0) as client:
        yield client


def user(text: str) -> list[dict[str, object]]:
    return [{"role": "user", "content": text}]


async def test_a_plain_answer_quotes_the_user(client: openai.OpenAI) -> None:
    answer = await in_thread(lambda: client.chat.completions.create(model="m", messages=user("Hello, Ünïcode ✓")))
    assert answer.choices[0].message.content == 'You said: "Hello, Ünïcode ✓".'
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "m"
    assert answer.created == 1_800_000_000
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_a_stream_says_the_same_as_the_plain_answer(client: openai.OpenAI) -> None:
    def stream() -> list[openai.types.chat.ChatCompletionChunk]:
        return list(
            client.chat.completions.create(
                model="m",
                messages=user("[sim: chunks=7 completion=11 prompt=5 cached=2] one two"),
                stream=True,
                stream_options={"include_usage": True},
            )
        )

    chunks = await in_thread(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    texts = [delta.content for delta in deltas if delta.content]
    assert len(texts) == 7
    assert "".join(texts).startswith('You said: "one two".')
    assert deltas[0].role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (5, 11)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


async def test_without_include_usage_no_chunk_speaks_of_usage(client: openai.OpenAI) -> None:
    chunks = await in_thread(lambda: list(client.chat.completions.create(model="m", messages=user("x"), stream=True)))
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


async def test_a_call_its_result_and_the_answer_make_a_round_trip(client: openai.OpenAI) -> None:
    history = user("Use the tool, please.")
    first = await in_thread(lambda: client.chat.completions.create(model="m", messages=history, tools=[WEATHER]))
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    history.append(message.model_dump(exclude_none=True))
    history.append({"role": "tool", "tool_call_id": call.id, "content": "rain, 8 °C"})
    second = await in_thread(lambda: client.chat.completions.create(model="m", messages=history, tools=[WEATHER]))
    assert second.choices[0].message.content == 'The tool answered: "rain, 8 °C".'
    assert second.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("interleave", ["yes", "no"])
async def test_streamed_parallel_calls_add_up(client: openai.OpenAI, interleave: str) -> None:
    prompt = (
        f'[sim: tool=get_weather args={{"city": "Rome"}} tool=get_time args="broken {{" fragments=3'
        f" interleave={interleave}]"
    )
    chunks = await in_thread(
        lambda: list(client.chat.completions.create(model="m", messages=user(prompt), stream=True))
    )
    calls: dict[int, list[str]] = {0: ["", "", ""], 1: ["", "", ""]}
    order = []
    for chunk in chunks:
        for delta in chunk.choices[0].delta.tool_calls or ():
            order.append(delta.index)
            calls[delta.index][0] += delta.id or ""
            assert delta.function is not None
            calls[delta.index][1] += delta.function.name or ""
            calls[delta.index][2] += delta.function.arguments or ""
    assert calls[0][1:] == ["get_weather", '{"city": "Rome"}']
    assert calls[1][1:] == ["get_time", "broken {"]
    assert calls[0][0] != calls[1][0]
    assert order == ([0, 1] * 4 if interleave == "yes" else [0] * 4 + [1] * 4)


async def test_a_named_tool_is_called_and_none_calls_nothing(client: openai.OpenAI) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    forced = await in_thread(
        lambda: client.chat.completions.create(model="m", messages=user("x"), tools=[WEATHER], tool_choice=named)
    )
    assert forced.choices[0].message.tool_calls is not None
    none = await in_thread(
        lambda: client.chat.completions.create(model="m", messages=user("tool"), tools=[WEATHER], tool_choice="none")
    )
    assert none.choices[0].message.tool_calls is None


async def test_a_structured_answer_fits_its_schema(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = await in_thread(
        lambda: client.chat.completions.create(model="m", messages=user("x"), response_format=wanted)
    )
    assert json.loads(answer.choices[0].message.content or "") == {"n": 1, "s": "example"}


async def test_n_answers_come_with_their_indexes(client: openai.OpenAI) -> None:
    answer = await in_thread(lambda: client.chat.completions.create(model="m", messages=user("50%"), n=3))
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    chunks = await in_thread(
        lambda: list(client.chat.completions.create(model="m", messages=user("50%"), n=2, stream=True))
    )
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


async def test_a_refusal_stands_in_its_own_field(client: openai.OpenAI) -> None:
    answer = await in_thread(
        lambda: client.chat.completions.create(model="m", messages=user('[sim: refusal="No, sorry."]'))
    )
    assert answer.choices[0].message.refusal == "No, sorry."
    assert answer.choices[0].message.content is None


async def test_a_status_becomes_the_clients_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        await in_thread(
            lambda: client.chat.completions.create(model="m", messages=user("[sim: status=429 retry_after=2.5]"))
        )
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "3"
    assert caught.value.response.headers["retry-after-ms"] == "2500"
    assert caught.value.request_id == "req_00000001"


@pytest.mark.parametrize("directive", ["fail=error@2", "error_in_200=yes"])
async def test_an_error_inside_a_stream_is_raised(client: openai.OpenAI, directive: str) -> None:
    seen: list[str | None] = []

    def stream() -> None:
        chunks = client.chat.completions.create(model="m", messages=user(f"[sim: {directive}]"), stream=True)
        seen.extend(chunk.choices[0].delta.content for chunk in chunks)

    with pytest.raises(openai.APIError, match="simulated provider failed"):
        await in_thread(stream)
    assert len([text for text in seen if text]) == (2 if "@2" in directive else 0)


async def test_a_wrong_directive_is_refused_with_the_allowed_ones(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"unknown directive 'chunk'.*gap_ms"):
        await in_thread(lambda: client.chat.completions.create(model="m", messages=user("[sim: chunk=1]")))


@pytest.mark.parametrize("dimensions", [3, 8])
async def test_embeddings_come_as_base64_and_as_numbers(client: openai.OpenAI, dimensions: int) -> None:
    packed = await in_thread(lambda: client.embeddings.create(model="e", input=["a", "b", "a"], dimensions=dimensions))
    plain = await in_thread(
        lambda: client.embeddings.create(model="e", input="a", dimensions=dimensions, encoding_format="float")
    )
    vectors = [row.embedding for row in packed.data]
    assert vectors[0] == vectors[2] == plain.data[0].embedding
    assert vectors[0] != vectors[1]
    assert [len(vector) for vector in vectors] == [dimensions] * 3
    assert sum(number * number for number in vectors[0]) == pytest.approx(1, abs=1e-5)


async def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    listed = await in_thread(lambda: list(client.models.list()))
    assert "gpt-5-mini" in [model.id for model in listed]
    found = await in_thread(lambda: client.models.retrieve("gpt-5-mini"))
    assert found.id == "gpt-5-mini"
    with pytest.raises(openai.NotFoundError):
        await in_thread(lambda: client.models.retrieve("nope"))
