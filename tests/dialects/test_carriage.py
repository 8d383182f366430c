"""What a request's carriage keeps for its answer, where the two sides speak different dialects."""

from __future__ import annotations

import json

import pytest

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.carriage import ChatCarriage, Load
from trio_gateway.dialects.envelope import Envelope
from trio_gateway.errors import InvalidRequest, UpstreamError

OWN = "mcp.files/read"
ASKED = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [{"function": {"name": OWN}}]}
).encode()


def carriage_to(target: str) -> ChatCarriage:
    carriage = ChatCarriage("ollama", ASKED)
    carriage.load(Load(dialect=target, model="m", capabilities=Capabilities(), id="i", created=1))
    return carriage


def told_name(carriage: ChatCarriage) -> str:
    (tool,) = json.loads(carriage.body)["tools"]
    name: str = tool["function"]["name"]
    return name


def test_a_whole_answer_calls_a_tool_by_the_clients_own_name() -> None:
    carriage = carriage_to("openai_chat")
    call = {"id": "c", "type": "function", "function": {"name": told_name(carriage), "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"id": "x", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]}
    told = json.loads(carriage.answer(json.dumps(body).encode()))
    assert told["message"]["tool_calls"][0]["function"]["name"] == OWN


def test_a_stream_calls_a_tool_by_the_clients_own_name_when_the_request_is_forgotten() -> None:
    carriage = carriage_to("openai_chat")
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": told_name(carriage), "arguments": "{}"}}
    chunk = {"id": "x", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    end = {"id": "x", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    carriage.forget_request()
    stream = carriage.open_stream(str)
    told = b"".join(stream.feed(b"data: %b\n\n" % json.dumps(one).encode()) for one in (chunk, end))
    told += stream.feed(b"data: [DONE]\n\n") + stream.close()
    lines = [json.loads(line) for line in told.splitlines()]
    assert [call["function"]["name"] for line in lines for call in line["message"].get("tool_calls", ())] == [OWN]


@pytest.mark.parametrize(("target", "name"), [("openai_chat", "mcp_x2E_files_x2F_read"), ("ollama", OWN)])
def test_each_target_is_told_the_names_that_it_takes(target: str, name: str) -> None:
    carriage = carriage_to("openai_responses")
    carriage.load(Load(dialect=target, model="m", capabilities=Capabilities(), id="i", created=1))
    assert told_name(carriage) == name


def test_an_older_endpoint_passes_to_a_provider_that_has_it_and_is_translated_for_others() -> None:
    body = b'{ "model":"m", "prompt":"Hi", "suffix":"}", "raw":true }'
    carriage = ChatCarriage("ollama_generate", body)
    assert carriage.older == "ollama_generate"
    carriage.load(Load(dialect="ollama_generate", model="other", capabilities=Capabilities(), id="i", created=1))
    assert (carriage.same, carriage.body, carriage.losses) == (True, body.replace(b'"m"', b'"other"'), [])
    answer = b'{"model":"other","response":"Hello","done":true,"eval_count":3}'
    assert carriage.answer(answer) == answer
    assert carriage.usage is not None
    assert carriage.usage.output == 3
    carriage.load(Load(dialect="ollama", model="m", capabilities=Capabilities(), id="i", created=1))
    assert not carriage.same
    assert [loss.pointer for loss in carriage.losses] == ["/suffix", "/raw"]
    assert json.loads(carriage.body)["messages"] == [{"role": "user", "content": "Hi"}]


def test_an_older_endpoint_is_loaded_without_a_prompt_by_those_who_have_it_alone() -> None:
    carriage = ChatCarriage("ollama_generate", b'{"model":"m","keep_alive":0}')
    carriage.load(Load(dialect="ollama_generate", model="m", capabilities=Capabilities(), id="i", created=1))
    assert carriage.told is None
    carriage.load(Load(dialect="gemini", model="m", capabilities=Capabilities(), id="i", created=1))
    assert carriage.told is not None
    assert json.loads(carriage.told)["done_reason"] == "unload"


def test_a_history_that_comes_home_leaves_behind_what_another_provider_signed() -> None:
    foreign = {"type": "thinking", "thinking": "hm", "signature": "trio:gemini:A="}
    said = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [foreign, {"type": "text", "text": "a"}]},
    ]
    asked = {"model": "r", "max_tokens": 9, "messages": said}
    carriage = ChatCarriage("anthropic_messages", json.dumps(asked).encode())
    load = Load(dialect="anthropic_messages", model="claude-x", capabilities=Capabilities(), id="i", created=1)
    carriage.load(load)
    assert carriage.same
    assert [loss.pointer for loss in carriage.losses] == ["/messages/1/content/0"]
    said[1]["content"] = [{"type": "text", "text": "a"}]
    assert carriage.body == json.dumps(asked | {"model": "claude-x"}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{ "contents" : {"parts": {"text":"Hi"}}, "tools":{"functionDeclarations":{"name":"f"}} }',
        b'{ "contents" : [{"parts": [{"text":"Hi"}]}], "model": "models/fast" }',
    ],
)
def test_a_gemini_body_passes_as_it_is_but_for_a_model_that_it_names(body: bytes) -> None:
    carriage = ChatCarriage("gemini", body, Envelope("fast"))
    for model in ("fast", "slow"):
        carriage.load(Load(dialect="gemini", model=model, capabilities=Capabilities(), id="i", created=1))
        assert carriage.body == body.replace(b"fast", model.encode())


def test_a_chat_message_of_an_unknown_role_passes_and_is_not_translated() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"ipython","content":"1"}]}'
    carriage = ChatCarriage("openai_chat", body)
    carriage.load(Load(dialect="openai_chat", model="m", capabilities=Capabilities(), id="i", created=1))
    assert carriage.body == body
    with pytest.raises(InvalidRequest) as caught:
        carriage.load(Load(dialect="gemini", model="m", capabilities=Capabilities(), id="i", created=1))
    assert caught.value.pointer == "/messages/1/role"


def test_a_completion_passes_with_its_usage_to_a_provider_that_has_the_endpoint() -> None:
    body = b'{ "model":"m", "prompt":[1,2], "suffix":"}", "stream":true }'
    carriage = ChatCarriage("openai_completions", body)
    carriage.load(Load(dialect="openai_completions", model="other", capabilities=Capabilities(), id="i", created=1))
    assert (carriage.same, carriage.losses, carriage.remote_media("openai_completions", Capabilities())) == (
        True,
        [],
        [],
    )
    assert json.loads(carriage.body) == {
        "model": "other", "prompt": [1, 2], "suffix": "}", "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    stream = carriage.open_stream(str)
    said = b'data: {"choices":[{"index":0,"text":"Hel","logprobs":null,"finish_reason":null}],"usage":null}\n\n'
    used = b'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}\n\n'
    assert stream.feed(said.replace(b"Hel", b"")) == b"", "nothing that a client would see"
    assert stream.feed(said) == said.replace(b"Hel", b"") + said
    assert stream.feed(used) == b"", "only the gateway has asked"
    told = stream.close()
    assert b"error" in told
    assert b"[DONE]" not in told
    assert stream.usage is not None
    assert (stream.usage.input, stream.usage.output) == (2, 1)


def test_a_plain_completion_passes_as_it_came() -> None:
    carriage = ChatCarriage("openai_completions", b'{"model":"m","prompt":"Hi","echo":true}')
    carriage.load(Load(dialect="openai_completions", model="m", capabilities=Capabilities(), id="i", created=1))
    assert carriage.body == b'{"model":"m","prompt":"Hi","echo":true}'
    answer = b'{ "choices":[{"text":"Hi!","finish_reason":"stop"}], "usage":{"prompt_tokens":1,"completion_tokens":2}}'
    assert carriage.answer(answer) == answer
    assert carriage.usage is not None
    assert carriage.usage.output == 2
    with pytest.raises(UpstreamError, match="Broken"):
        carriage.answer(b'{"error":{"message":"Broken."}}')
