"""Ollama's prompts without turns, as conversations of one."""

from __future__ import annotations

import msgspec
import pytest

from trio_gateway.dialects import ollama_generate
from trio_gateway.dialects.conversation import Answer, AnswerContext, Choice, Reasoning, Stop, Text, Usage
from trio_gateway.dialects.events import Close, Delta, End, Fail, Finish, Open, Start, UsageUpdate
from trio_gateway.errors import InvalidRequest, UpstreamBroke, UpstreamError

CONTEXT = AnswerContext(id="1", created=5, model="m")
PNG = "iVBORw0KGgoAAAANSUhEUg=="


def test_system_prompt_and_images_become_turns_with_their_places() -> None:
    body = {"model": "m", "system": "Be terse.", "prompt": "Hi", "images": [PNG], "options": {"seed": 5}}
    conversation = ollama_generate.decode_request(msgspec.json.encode(body))
    system, user = conversation.turns
    assert (system.role, system.at) == ("system", "/system")
    assert [(type(part).__name__, part.at) for part in user.parts] == [("Text", "/prompt"), ("Image", "/images/0")]
    assert (conversation.stream, conversation.seed, conversation.unread) == (True, 5, [])


def test_without_a_prompt_there_is_nothing_to_say() -> None:
    assert ollama_generate.decode_request(b'{"model":"m","system":"Be terse."}').turns == []


def test_what_has_no_counterpart_is_a_loss_unless_it_says_nothing() -> None:
    said = ollama_generate.decode_request(b'{"model":"m","prompt":"Hi","raw":true,"template":"x","y":1,"messages":[]}')
    assert sorted(loss.pointer for loss in said.unread) == ["/messages", "/raw", "/template", "/y"]
    silent = ollama_generate.decode_request(b'{"model":"m","prompt":"Hi","raw":false,"context":[],"suffix":""}')
    assert silent.unread == []


@pytest.mark.parametrize("body", [b"{", b'{"model":"m","prompt":"\xff"}', b'{"model":"","prompt":"Hi"}'])
def test_a_bad_body_is_the_clients_fault(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        ollama_generate.decode_request(body)


def test_an_answer_is_a_response_with_its_thoughts() -> None:
    answer = Answer(source="test", choices=[Choice([Reasoning("Hm"), Text("Hello")], Stop("stop"))])
    written = msgspec.json.decode(ollama_generate.encode_answer(answer, CONTEXT)[0])
    assert (written["response"], written["thinking"], written["done"]) == ("Hello", "Hm", True)
    assert "message" not in written


def test_a_stream_is_lines_of_responses_and_its_error_a_line() -> None:
    encoder = ollama_generate.new_answer_encoder(CONTEXT)
    begun = encoder.feed([Start(), Open(0, "text"), Delta(0, "Hi")])
    ended = begun + encoder.feed([Close(0), Finish(Stop("stop")), End()])
    lines = [msgspec.json.decode(line) for line in ended.splitlines()]
    assert [(line["response"], line["done"]) for line in lines] == [("Hi", False), ("", True)]
    broken = ollama_generate.new_answer_encoder(CONTEXT)
    broken.feed([Start(), Open(0, "text"), Delta(0, "Hi")])
    assert msgspec.json.decode(broken.feed([Fail(UpstreamError("Too bad."))])) == {"error": "Too bad."}


def test_an_answer_that_passes_tells_its_counts() -> None:
    body = b'{"model":"m","response":"Hi","done":true,"context":[1],"prompt_eval_count":2,"eval_count":3}'
    read = ollama_generate.decode_answer(body)
    assert (read.usage, read.choices[0].parts) == (Usage(2, 3), [Text("Hi", "/message/content")])


@pytest.mark.parametrize("body", [b"<html>", b'{"response":"Hi","done":false}'])
def test_what_is_no_whole_answer_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        ollama_generate.decode_answer(body)


def test_an_error_in_the_place_of_an_answer_is_the_providers() -> None:
    with pytest.raises(UpstreamError, match="out of memory"):
        ollama_generate.decode_answer(b'{"error":"out of memory"}')


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_that_passes_tells_what_is_new_in_each_line(size: int) -> None:
    lines = b'{"thinking":"Hm","done":false}\n{"response":"Hi","done":false}\n{"image":"iVBO","done":false}\n'
    lines += b'{"response":"","done":true,"done_reason":"stop","eval_count":3}\n'
    decoder = ollama_generate.new_answer_decoder()
    events = [event for at in range(0, len(lines), size) for event in decoder.feed(lines[at : at + size])]
    events += decoder.close()
    assert [event.text for event in events if isinstance(event, Delta)] == ["Hm", "Hi"]
    assert [event.kind for event in events if isinstance(event, Open)] == ["reasoning", "text", "opaque"]
    assert UsageUpdate(Usage(None, 3)) in events
    assert isinstance(events[-1], End)


@pytest.mark.parametrize("last", [b'{"error":"out of memory"}\n', b""])
def test_a_stream_that_passes_and_breaks_fails(last: bytes) -> None:
    decoder = ollama_generate.new_answer_decoder()
    events = decoder.feed(b'{"response":"Hi","done":false}\n' + last) + decoder.close()
    assert [isinstance(event, Fail) for event in events] == [False] * (len(events) - 1) + [True]
