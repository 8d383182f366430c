"""The official openai client's Responses API against the simulated OpenAI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from trio.to_thread import run_sync as in_thread

from trio_gateway.simulator import Simulator
from trio_gateway.simulator.openai_responses_rules import check_responses
from trio_gateway.simulator.script import Rejected

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Rome"]}}},
    "strict": False,
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=simulator.origins["openai"] + "/v1", api_key="sk-x", max_retries=0) as client:
        yield client


async def test_a_plain_answer_quotes_the_user_and_repeats_the_parameters(client: openai.OpenAI) -> None:
    answer = await in_thread(lambda: client.responses.create(model="m", input="Hi ✓", instructions="Be terse."))
    assert answer.output_text == 'You said: "Hi ✓".'
    assert (answer.status, answer.instructions, answer.model) == ("completed", "Be terse.", "m")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


@pytest.mark.parametrize("interleave", ["yes", "no"])
async def test_a_stream_climbs_the_whole_ladder(client: openai.OpenAI, interleave: str) -> None:
    prompt = (
        f'[sim: chunks=3 reasoning="Let me see." signature=enc text="one two three" interleave={interleave} fragments=2'
        ' tool=a args={"x":1} tool=b args={"y":2}]'
    )
    events = await in_thread(lambda: list(client.responses.create(model="m", input=prompt, stream=True)))
    kinds = [event.type for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") == kinds.count("response.reasoning_summary_text.delta") == 3
    final = events[-1].response
    assert final.output_text == "one two three"
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.id for item in done] == [item.id for item in final.output]
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call", "function_call"]
    assert final.output[0].encrypted_content == "enc"
    fragments: dict[int, str] = {}
    order = []
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            fragments[event.output_index] = fragments.get(event.output_index, "") + event.delta
            order.append(event.output_index)
    assert fragments == {2: '{"x":1}', 3: '{"y":2}'}
    assert order == ([2, 3, 2, 3] if interleave == "yes" else [2, 2, 3, 3])


async def test_a_call_its_result_and_the_answer_make_a_round_trip(client: openai.OpenAI) -> None:
    history: list[Any] = [{"role": "user", "content": "Use the tool."}]
    first = await in_thread(lambda: client.responses.create(model="m", input=history, tools=[WEATHER]))
    [call] = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Rome"}
    history += [call, {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    second = await in_thread(lambda: client.responses.create(model="m", input=history, tools=[WEATHER]))
    assert second.output_text == 'The tool answered: "rain".'


async def test_a_refusal_and_an_incomplete_answer_say_so(client: openai.OpenAI) -> None:
    refused = await in_thread(lambda: client.responses.create(model="m", input="[sim: refusal=No.]"))
    assert refused.output[0].content[0].refusal == "No."  # type: ignore[union-attr]  # the test says which it is
    short = await in_thread(lambda: list(client.responses.create(model="m", input="[sim: finish=length]", stream=True)))
    assert short[-1].type == "response.incomplete"
    assert short[-1].response.incomplete_details is not None
    assert short[-1].response.incomplete_details.reason == "max_output_tokens"


async def test_an_error_in_a_stream_is_told_twice_and_numbered(client: openai.OpenAI) -> None:
    prompt = "[sim: fail=error@2 error=overloaded]"
    events = await in_thread(lambda: list(client.responses.create(model="m", input=prompt, stream=True)))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    error, failed = events[-2:]
    assert (error.type, error.code) == ("error", "overloaded")
    assert (failed.type, failed.response.status) == ("response.failed", "failed")


def request(*items: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": [*items], **more}


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": name, "name": "f", "arguments": "{}", **more}


def output(name: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": name, "output": "ok"}


USER = {"role": "user", "content": "x"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
REFUSED = {
    "an unknown field": (request(USER, messages=[]), "Unknown parameter: 'messages'"),
    "an item's unknown field": (request(USER | {"name": "n"}), "Unknown parameter: 'input[0].name'"),
    "a chat part": (request({"role": "user", "content": [{"type": "text", "text": "x"}]}), "Invalid value: 'text'"),
    "a user's part of an assistant": (
        request({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}),
        "Invalid value: 'input_text'",
    ),
    "a role of chat": (request({"role": "tool", "content": "x"}), "Invalid value: 'tool'"),
    "a call without its output": (request(USER, call("a")), "No tool output found for function call a"),
    "a custom tool's call without its output": (
        request(USER, {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "x"}),
        "No tool output found for custom tool call a",
    ),
    "an output without its call": (request(USER, output("a")), "No tool call found"),
    "arguments as an object": (request(call("a", arguments={}), output("a")), "are strings"),
    "too long a call id": (request(call("a" * 65), output("a" * 65)), "call_id"),
    "a thought alone": (request(THOUGHT, USER), "without its required following item"),
    "a nested tool": (request(USER, tools=[{"type": "function", "function": {"name": "f"}}]), "tools[0].name"),
    "a nested choice": (
        request(USER, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}),
        "not found",
    ),
    "too few tokens": (request(USER, max_output_tokens=1), "max_output_tokens"),
    "a nested format": (request(USER, text={"format": {"type": "json_schema", "json_schema": {}}}), "text.format"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_provider_refuses_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_responses(body)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "input": "x"},
        request(USER, THOUGHT, call("a"), output("a")),
        request(output("a"), previous_response_id="resp_1"),
        request({"type": "item_reference", "id": "x"}, USER, tools=[{"type": "web_search"}]),
    ],
)
def test_what_the_provider_takes_is_taken(body: dict[str, Any]) -> None:
    check_responses(body)
