"""The official anthropic client against the simulated Anthropic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from trio.to_thread import run_sync as in_thread

from trio_gateway.simulator import Simulator

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string", "default": "Rome"}}},
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=simulator.origins["anthropic"], api_key="sk-x", max_retries=0) as client:
        yield client


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": text}], **more}


async def test_a_plain_answer_quotes_the_user(client: anthropic.Anthropic) -> None:
    answer = await in_thread(lambda: client.messages.create(**asking("Hi ✓")))
    [block] = answer.content
    assert block.type == "text"
    assert block.text == 'You said: "Hi ✓".'
    assert answer.stop_reason == "end_turn"
    assert answer.id.startswith("msg_")


async def test_a_stream_adds_up_to_the_answer(client: anthropic.Anthropic) -> None:
    prompt = (
        '[sim: reasoning="Let me think." signature=abc chunks=3 prompt=50 cached=20 cache_write=10 completion=9] ok'
    )

    def stream() -> tuple[list[str], Any]:
        with client.messages.stream(**asking(prompt)) as events:
            kinds = [event.type for event in events]
            return kinds, events.get_final_message()

    kinds, message = await in_thread(stream)
    thought, text = message.content
    assert (thought.thinking, thought.signature) == ("Let me think.", "abc")
    assert text.text.startswith('You said: "ok".')
    assert kinds.count("text") == 3
    assert message.stop_reason == "end_turn"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (20, 20, 10)
    assert usage.output_tokens == 9


async def test_a_call_its_result_and_the_answer_make_a_round_trip(client: anthropic.Anthropic) -> None:
    history: list[Any] = [{"role": "user", "content": "Use the tool."}]
    asked = {"model": "m", "max_tokens": 64, "messages": history, "tools": [WEATHER]}
    first = await in_thread(lambda: client.messages.create(**asked))
    [call] = first.content
    assert call.type == "tool_use"
    assert (call.name, call.input) == ("get_weather", {"city": "Rome"})
    assert first.stop_reason == "tool_use"
    history.append({"role": "assistant", "content": first.content})
    history.append(
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain, 8 °C"}]}
    )
    second = await in_thread(lambda: client.messages.create(**asked))
    [said] = second.content
    assert said.type == "text"
    assert said.text == 'The tool answered: "rain, 8 °C".'


async def test_streamed_calls_add_up_and_one_without_arguments_sends_an_empty_delta(
    client: anthropic.Anthropic,
) -> None:
    prompt = '[sim: tool=get_weather args={"city": "Rome"} tool=now args={} fragments=4]'

    def stream() -> tuple[list[str], Any]:
        with client.messages.stream(**asking(prompt)) as events:
            parts = [event.partial_json for event in events if event.type == "input_json"]
            return parts, events.get_final_message()

    parts, message = await in_thread(stream)
    assert "".join(parts[:4]) == '{"city": "Rome"}'
    assert parts[4:] == [""]
    assert [block.input for block in message.content] == [{"city": "Rome"}, {}]
    assert len({block.id for block in message.content}) == 2


async def test_a_refusal_has_no_content(client: anthropic.Anthropic) -> None:
    answer = await in_thread(lambda: client.messages.create(**asking('[sim: refusal="Not this."]')))
    assert answer.content == []
    assert answer.stop_reason == "refusal"
    assert answer.stop_details is not None
    assert answer.stop_details.explanation == "Not this."


async def test_a_status_becomes_the_clients_error(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        await in_thread(lambda: client.messages.create(**asking("[sim: status=529 retry_after=1]")))
    assert caught.value.status_code == 529
    assert caught.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]  # the client types it object
    assert caught.value.request_id == "req_00000001"


async def test_an_error_event_in_a_stream_is_raised(client: anthropic.Anthropic) -> None:
    def stream() -> None:
        with client.messages.stream(**asking("[sim: fail=error@1 error=overloaded_error]")) as events:
            for _ in events:
                pass

    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        await in_thread(stream)


async def test_tokens_are_counted_without_max_tokens(client: anthropic.Anthropic) -> None:
    counted = await in_thread(
        lambda: client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x" * 40}])
    )
    assert counted.input_tokens >= 10


async def test_models_are_listed_on_the_path_that_openai_has_too(client: anthropic.Anthropic) -> None:
    listed = await in_thread(lambda: list(client.models.list()))
    assert "claude-opus-5-5" in [model.id for model in listed]
    assert (await in_thread(lambda: client.models.retrieve("claude-opus-5-5"))).type == "model"


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 400), ({"anthropic-version": "2020-01-01"}, 400), ({"anthropic-version": "2023-06-01"}, 200)],
)
async def test_the_version_header_is_required(simulator: Simulator, headers: dict[str, str], status: int) -> None:
    async with httpx.AsyncClient(base_url=simulator.origins["anthropic"]) as http:
        answer = await http.post("/v1/messages", json=asking("hi"), headers=headers)
    assert answer.status_code == status
    assert answer.json()["type"] == ("message" if status == 200 else "error")
