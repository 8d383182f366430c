import json
import subprocess
import sys

import msgspec
import pydantic
import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent

from gateway_schemas import anthropic_messages as shapes


def test_importing_it_imports_msgspec_and_nothing_else_of_ours() -> None:
    code = (
        "import sys, gateway_schemas.anthropic_messages; "
        "print([m for m in sys.modules if m.partition('.')[0] in ('trio_gateway', 'trio', 'httpx', 'quart')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_absent_null_and_a_value_are_three_things() -> None:
    body = b'{"model":"m","max_tokens":1,"messages":[],"temperature":null,"metadata":null,"speed":"fast"}'
    request = shapes.request_decoder.decode(body)
    assert (request.temperature, request.top_p, request.speed) == (None, msgspec.UNSET, "fast")
    assert request.metadata == msgspec.Raw(b"null")
    assert json.loads(shapes.encode(request)) == json.loads(body)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image", "source": {"type": "url", "url": "u"}},
        {"type": "document", "source": {"type": "text", "data": "d", "media_type": "text/plain"}, "title": "t"},
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "i", "name": "n", "input": {"b": 1, "a": 2.0}},
        {"type": "tool_result", "tool_use_id": "i", "content": "c", "is_error": False},
    ],
)
def test_a_block_that_is_read_and_written_is_the_same(block: object) -> None:
    raw = json.dumps(block, separators=(",", ":")).encode()
    assert shapes.encode(shapes.block_decoder.decode(raw)) == raw


def test_a_tool_keeps_the_spelling_of_its_schema() -> None:
    raw = b'{"name":"f","input_schema":{ "type":"object","x":1.0 },"type":null,"strict":true}'
    assert shapes.encode(shapes.tool_decoder.decode(raw)) == raw


def test_an_answer_that_is_written_is_one_of_the_sdks() -> None:
    answer = shapes.MessagesResponse(
        id="msg_1",
        model="claude",
        content=[msgspec.Raw(b'{"type":"text","text":"hi"}')],
        stop_reason="end_turn",
        usage=shapes.Usage(input_tokens=1, output_tokens=2),
    )
    raw = shapes.encode(answer)
    assert Message.model_validate_json(raw).usage.output_tokens == 2
    assert shapes.response_decoder.decode(raw) == answer


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ],
)
def test_the_sdks_events_are_read(event: dict[str, object]) -> None:
    pydantic.TypeAdapter(RawMessageStreamEvent).validate_python(event)
    assert shapes.event_decoder.decode(json.dumps(event).encode()).type == event["type"]


def test_events_of_the_future_are_read_by_their_tag() -> None:
    assert shapes.event_decoder.decode(b'{"type":"novelty","payload":{"x":[]}}').type == "novelty"
    assert shapes.tag_decoder.decode(b'{"type":"novelty","index":"not a number"}').type == "novelty"


def test_a_count_is_what_the_sdk_takes() -> None:
    body = shapes.encode(shapes.CountTokensResponse(7))
    assert pydantic.TypeAdapter(MessageTokensCount).validate_json(body).input_tokens == 7


def test_a_request_to_count_needs_no_limit_of_tokens() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"thinking":{"type":"adaptive"},"tools":null}'
    request = shapes.count_request_decoder.decode(body)
    assert (request.model, request.tools, request.system) == ("m", None, msgspec.UNSET)
    assert json.loads(shapes.encode(request)) == json.loads(body)
