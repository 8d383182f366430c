"""Ollama's prompts without turns, as conversations of one."""

from __future__ import annotations

import msgspec
import pytest

from trio_gateway.dialects import ollama_generate
from trio_gateway.dialects.conversation import Answer, AnswerContext, Choice, Reasoning, Stop, Text
from trio_gateway.dialects.events import Close, Delta, End, Fail, Finish, Open, Start
from trio_gateway.errors import InvalidRequest, UpstreamError

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
