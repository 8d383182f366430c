"""The legacy completions of OpenAI, as conversations of one turn."""

from __future__ import annotations

import msgspec
import pytest

from trio_gateway.dialects import openai_completions
from trio_gateway.dialects.conversation import Answer, AnswerContext, Choice, Loss, Reasoning, Stop, Text
from trio_gateway.dialects.events import Close, Delta, End, Finish, Open, Start
from trio_gateway.errors import InvalidRequest

CONTEXT = AnswerContext(id="1", created=5, model="m")


def test_a_prompt_becomes_one_user_turn_with_its_place() -> None:
    conversation = openai_completions.decode_request(b'{"model":"m","prompt":"Hi","max_tokens":5,"logprobs":2}')
    (turn,) = conversation.turns
    assert (turn.role, turn.parts) == ("user", [Text("Hi", at="/prompt")])
    assert (conversation.max_output_tokens, conversation.logprobs, conversation.top_logprobs) == (5, True, 2)
    assert conversation.unread == []


def test_what_has_no_counterpart_is_a_loss_unless_it_says_nothing() -> None:
    said = openai_completions.decode_request(b'{"model":"m","prompt":"Hi","echo":true,"best_of":3,"x":1}')
    assert [loss.pointer for loss in said.unread] == ["/echo", "/best_of", "/x"]
    silent = openai_completions.decode_request(b'{"model":"m","prompt":"Hi","echo":false,"best_of":1,"suffix":null}')
    assert silent.unread == []


@pytest.mark.parametrize("body", [b"{", b'{"model":"m","prompt":"\xff"}', b'{"model":"m","prompt":[1]}'])
def test_a_bad_body_is_the_clients_fault(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        openai_completions.decode_request(body)


def test_an_answer_keeps_its_text_and_says_what_it_cannot_hold() -> None:
    raw = msgspec.Raw(b'{"content":[{"token":"He","logprob":-1,"bytes":null,"top_logprobs":[]},'
                      b'{"token":"llo","logprob":-2,"bytes":null,"top_logprobs":[]}],"refusal":null}')  # fmt: skip
    choice = Choice([Reasoning("Hm"), Text("Hello")], Stop("stop"), logprobs=raw)
    body, losses = openai_completions.encode_answer(Answer(source="test", choices=[choice]), CONTEXT)
    written = msgspec.json.decode(body)
    assert written["object"] == "text_completion"
    (told,) = written["choices"]
    assert (told["text"], told["finish_reason"]) == ("Hello", "stop")
    assert told["logprobs"]["tokens"] == ["He", "llo"]
    assert told["logprobs"]["text_offset"] == [0, 2]
    assert Loss("/choices/0", "a completion has no thoughts") in losses


def test_a_stream_tells_text_alone_and_ends_with_done() -> None:
    encoder = openai_completions.new_answer_encoder(CONTEXT)
    thinking = [Start(), Open(0, "reasoning"), Delta(0, "Hm"), Close(0)]
    assert encoder.feed([*thinking]) == b""
    text = encoder.feed([Open(1, "text"), Delta(1, "Hi"), Close(1), Finish(Stop("stop")), End()])
    *chunks, done = [frame for frame in text.split(b"\n\n") if frame]
    assert done == b"data: [DONE]"
    choices = [msgspec.json.decode(chunk[6:])["choices"][0] for chunk in chunks]
    assert [(choice["text"], choice["finish_reason"]) for choice in choices] == [("Hi", None), ("", "stop")]
    assert [loss.reason for loss in encoder.losses if loss.reason.startswith("a completion")] == [
        "a completion has no thoughts"
    ]
