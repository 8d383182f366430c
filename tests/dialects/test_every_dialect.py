"""What no dialect may leave out, whatever its own tests say."""

from __future__ import annotations

import pytest

from trio_gateway.dialects import DIALECTS, client_side, dialect
from trio_gateway.dialects.events import Fail
from trio_gateway.errors import InvalidRequest, UpstreamBroke

# A member that is carried as the raw JSON it was, holding a byte that is no text.
REQUESTS = {
    "openai_chat": b'{"model":"m","messages":[{"role":"user","content":"a"}],'
    b'"tools":[{"type":"function","function":{"name":"f","parameters":{"a":"\xff"}}}]}',
    "openai_responses": b'{"model":"m","input":"a","tools":[{"type":"function","name":"f","parameters":{"a":"\xff"}}]}',
    "anthropic_messages": b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}],'
    b'"tools":[{"name":"f","input_schema":{"a":"\xff"}}]}',
    "gemini": b'{"contents":[{"parts":[{"text":"a"}]}],'
    b'"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"a":"\xff"}}]}]}',
    "ollama": b'{"model":"m","messages":[{"role":"user","content":"a"}],"format":{"a":"\xff"}}',
}
ANSWERS = {
    "openai_chat": b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"a"},"finish_reason":"stop","logprobs":{"content":[{"token":"\xff"}]}}]}',
    "openai_responses": b'{"id":"x","object":"response","status":"completed","model":"m","output":[{"type":"message",'
    b'"id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a",'
    b'"annotations":[{"type":"url_citation","url":"\xff"}]}]}]}',
    "anthropic_messages": b'{"id":"x","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use",'
    b'"id":"t","name":"f","input":{"a":"\xff"}}],"stop_reason":"tool_use",'
    b'"usage":{"input_tokens":1,"output_tokens":1}}',
    "gemini": b'{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]},'
    b'"finishReason":"STOP"}]}',
    "ollama": b'{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"",'
    b'"tool_calls":[{"function":{"name":"f","arguments":{"a":"\xff"}}}]},"done":true,"done_reason":"stop"}',
}
STREAMS = {
    "openai_chat": b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"content":"a"},"logprobs":{"content":[{"token":"\xff"}]}}]}\n\n',
    "openai_responses": b'event: response.output_text.annotation.added\ndata: {"type":'
    b'"response.output_text.annotation.added","sequence_number":0,"item_id":"m","output_index":0,"content_index":0,'
    b'"annotation_index":0,"annotation":{"type":"url_citation","url":"\xff"}}\n\n',
    "anthropic_messages": b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":"\xff"}}}\n\n',
    "gemini": b"data: " + ANSWERS["gemini"] + b"\n\n",
    "ollama": ANSWERS["ollama"] + b"\n",
}


def test_what_is_tested_here_is_every_dialect() -> None:
    assert set(REQUESTS) == set(ANSWERS) == set(STREAMS) == set(DIALECTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_serves_clients_too(name: str) -> None:
    assert client_side(name) is dialect(name)


@pytest.mark.parametrize("name", ["", "openai", "OPENAI_CHAT"])
def test_there_is_no_other_dialect(name: str) -> None:
    with pytest.raises(KeyError):
        dialect(name)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("more", [b"", b'"new":1,'], ids=["as known", "with a member nobody knows"])
def test_bytes_that_are_no_text_are_refused_in_a_request_wherever_they_are(name: str, more: bytes) -> None:
    body = REQUESTS[name].replace(b"{", b"{" + more, 1)
    dialect(name).decode_request(body.replace(b"\xff", b""))
    with pytest.raises(InvalidRequest, match="UTF-8"):
        dialect(name).decode_request(body)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("more", [b"", b'"new":1,'], ids=["as known", "with a member nobody knows"])
def test_an_answer_that_is_no_text_is_broken_wherever_it_is_not(name: str, more: bytes) -> None:
    body = ANSWERS[name].replace(b"{", b"{" + more, 1)
    dialect(name).decode_answer(body.replace(b"\xff", b""))
    with pytest.raises(UpstreamBroke):
        dialect(name).decode_answer(body)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_stream_that_is_no_text_fails_wherever_it_is_not(name: str) -> None:
    decoder = dialect(name).new_answer_decoder()
    events = decoder.feed(STREAMS[name])
    assert isinstance(events[-1], Fail)
    assert isinstance(events[-1].error, UpstreamBroke)
    assert decoder.close() == []


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("body", [b'"say \\"no\\""', b'{"error":"say \\"no\\""}'])
def test_an_error_that_is_a_bare_text_is_told_as_that(name: str, body: bytes) -> None:
    assert dialect(name).decode_error(400, {}, body).message == 'say "no"'


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic_messages"])
@pytest.mark.parametrize("member", ["type", "code"])
def test_a_quota_that_is_used_up_is_not_tried_again_whoever_says_so(name: str, member: str) -> None:
    body = b'{"error":{"message":"no","%b":"insufficient_quota"}}' % member.encode()
    for status in (409, 429, 500):
        assert not dialect(name).decode_error(status, {}, body).retryable
