from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from msgspec import UNSET, Raw

from gateway_schemas import openai_responses as wire


def test_the_schemas_need_nothing_but_msgspec() -> None:
    code = (
        "import sys, gateway_schemas.openai_responses; sys.exit(bool({'trio_gateway', 'pydantic'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_input_is_text_or_items_that_stay_raw() -> None:
    assert wire.request_decoder.decode(b'{"model":"m","input":"hi"}').input == "hi"
    items = wire.request_decoder.decode(b'{"model":"m","input":[{"type":"new","x": 1}]}').input
    assert items == [Raw(b'{"type":"new","x": 1}')]


@pytest.mark.parametrize("value", [b'"a"', b'{"id":"a"}', b"null", b"3"])
def test_a_raw_member_takes_any_value(value: bytes) -> None:
    assert wire.request_decoder.decode(b'{"model":"m","conversation":' + value + b"}").conversation == Raw(value)


def test_an_absent_raw_member_is_unset() -> None:
    assert wire.request_decoder.decode(b'{"model":"m"}').conversation is UNSET


def test_a_message_may_come_without_its_type() -> None:
    assert wire.message_decoder.decode(b'{"role":"user","content":"hi"}') == wire.Message("user", "hi")


def test_a_request_writes_what_is_set_and_nothing_else() -> None:
    assert (
        wire.encode(wire.CreateResponse(model="m", input=[], store=False)) == b'{"model":"m","input":[],"store":false}'
    )


def test_parameters_and_strict_of_a_function_are_always_written() -> None:
    assert msgspec.json.decode(wire.encode(wire.FunctionTool("f"))) == {
        "type": "function",
        "name": "f",
        "parameters": None,
        "strict": None,
    }


def test_what_a_namespace_must_have_is_always_written() -> None:
    empty = {"type": "namespace", "name": "n", "description": "", "tools": []}
    assert msgspec.json.decode(wire.encode(wire.NamespaceTool("n"))) == empty


def test_async_is_a_member_though_it_is_a_keyword() -> None:
    call = wire.function_call_decoder.decode(b'{"call_id":"c","name":"f","arguments":"{}","async":true}')
    assert call.async_ is True
    assert b'"async":true' in wire.encode(call)


def test_the_response_tells_null_from_absent() -> None:
    response = wire.response_decoder.decode(b'{"id":"resp_1","usage":null,"background":null}')
    assert response.usage is None
    assert response.background is None
    assert response.user is UNSET


def test_usage_without_the_newer_counts_is_read() -> None:
    usage = wire.response_decoder.decode(
        b'{"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1}}}'
    ).usage
    assert isinstance(usage, wire.Usage)
    assert usage.input_tokens_details == wire.InputTokensDetails(1, None)


def test_an_event_of_any_type_is_read() -> None:
    event = wire.event_decoder.decode(
        b'{"type":"response.output_text.delta","delta":"a","output_index":1,"obfuscation":"x"}'
    )
    assert (event.type, event.delta, event.output_index) == ("response.output_text.delta", "a", 1)
