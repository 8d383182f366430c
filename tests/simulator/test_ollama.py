"""The official ollama client against the simulated Ollama."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import ollama
import pytest
from trio.to_thread import run_sync as in_thread

from trio_gateway.simulator import Simulator

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Rome"]}}},
    },
}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[ollama.Client]:
    with ollama.Client(host=simulator.origins["ollama"]) as client:
        yield client


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def test_a_plain_answer_quotes_the_user(client: ollama.Client) -> None:
    answer = await in_thread(lambda: client.chat(model="m", messages=user("Hi ✓")))
    assert answer.message.content == 'You said: "Hi ✓".'
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert answer.created_at == "2027-01-15T08:00:00.000000001Z"


async def test_a_stream_adds_up_and_counts_on_its_last_line(client: ollama.Client) -> None:
    prompt = "[sim: reasoning=hm chunks=3 prompt=12 completion=0] go"
    lines = await in_thread(lambda: list(client.chat(model="m", messages=user(prompt), stream=True)))
    assert "".join(line.message.content or "" for line in lines).startswith('You said: "go".')
    assert "".join(line.message.thinking or "" for line in lines) == "hm"
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1].prompt_eval_count == 12
    assert lines[-1].eval_count is None


async def test_a_call_its_result_and_the_answer_make_a_round_trip(client: ollama.Client) -> None:
    history = user("Use the tool.")
    first = await in_thread(lambda: client.chat(model="m", messages=history, tools=[WEATHER]))
    assert first.message.tool_calls is not None
    [call] = first.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Rome"})
    assert first.done_reason == "stop"
    history.append(first.message.model_dump(exclude_none=True))
    history.append({"role": "tool", "tool_name": "get_weather", "content": "rain"})
    second = await in_thread(lambda: client.chat(model="m", messages=history, tools=[WEATHER]))
    assert second.message.content == 'The tool answered: "rain".'


async def test_streamed_calls_come_whole_one_line_each(client: ollama.Client) -> None:
    prompt = '[sim: tool=a args={"x": 1.50} tool=b fragments=3]'
    lines = await in_thread(lambda: list(client.chat(model="m", messages=user(prompt), stream=True)))
    calls = [call.function for line in lines for call in line.message.tool_calls or ()]
    assert [(call.name, call.arguments) for call in calls] == [("a", {"x": 1.5}), ("b", {})]


async def test_generate_answers_a_prompt(client: ollama.Client) -> None:
    answer = await in_thread(lambda: client.generate(model="m", prompt="Hi"))
    assert answer.response == 'You said: "Hi".'
    parts = await in_thread(lambda: list(client.generate(model="m", prompt="Hi", stream=True)))
    assert "".join(part.response or "" for part in parts).startswith('You said: "Hi".')


async def test_no_messages_load_or_unload_the_model(client: ollama.Client) -> None:
    loaded = await in_thread(lambda: client.chat(model="m", messages=[]))
    unloaded = await in_thread(lambda: client.chat(model="m", messages=[], keep_alive=0))
    assert (loaded.done_reason, unloaded.done_reason) == ("load", "unload")
    assert loaded.message.content == ""


async def test_embeddings_are_deterministic(client: ollama.Client) -> None:
    answer = await in_thread(lambda: client.embed(model="e", input=["a", "b", "a"], dimensions=5))
    assert answer.embeddings[0] == answer.embeddings[2] != answer.embeddings[1]
    assert len(answer.embeddings[0]) == 5


async def test_models_are_listed_and_shown(client: ollama.Client) -> None:
    listed = await in_thread(client.list)
    assert "qwen3:8b" in [model.model for model in listed.models]
    shown = await in_thread(lambda: client.show("qwen3:8b"))
    assert shown.capabilities is not None
    assert "tools" in shown.capabilities
    with pytest.raises(ollama.ResponseError, match="not found"):
        await in_thread(lambda: client.show("nope"))


async def test_errors_before_and_inside_a_stream_are_raised(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        await in_thread(lambda: client.chat(model="m", messages=user("[sim: status=503]")))
    assert caught.value.status_code == 503
    with pytest.raises(ollama.ResponseError, match="simulated provider failed"):
        await in_thread(lambda: list(client.chat(model="m", messages=user("[sim: fail=error@1]"), stream=True)))


async def test_root_and_version_say_that_it_is_there(simulator: Simulator) -> None:
    async with httpx.AsyncClient(base_url=simulator.origins["ollama"]) as http:
        assert (await http.get("/")).text == "Ollama is running"
        head = await http.head("/")
        assert (head.status_code, head.content) == (200, b"")
        assert "version" in (await http.get("/api/version")).json()


CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "content parts": ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "of type string"),
    "arguments as text": ({"messages": [CALL]}, "ToolCallFunctionArguments"),
    "an image as a data URL": (
        {"messages": [{"role": "user", "content": "x", "images": ["data:image/png;base64,AAAA"]}]},
        "illegal base64",
    ),
    "an unknown level of thinking": ({"messages": user("x"), "think": "xhigh"}, "invalid think value"),
    "another format": ({"messages": user("x"), "format": "yaml"}, "invalid format"),
    "a stop that is no list": ({"messages": user("x"), "options": {"stop": "."}}, "stop"),
    "no model": ({"model": "", "messages": user("x")}, "model is required"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_does_not_decode_is_refused(simulator: Simulator, body: dict[str, Any], message: str) -> None:
    async with httpx.AsyncClient(base_url=simulator.origins["ollama"]) as http:
        answer = await http.post("/api/chat", json={"model": "m", **body})
    assert answer.status_code == 400
    assert message in answer.json()["error"]
