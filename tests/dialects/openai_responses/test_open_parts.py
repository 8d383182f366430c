from __future__ import annotations

import json

from trio_gateway.dialects.events import Open
from trio_gateway.dialects.openai_responses.open_parts import OpenMessage, OpenPart


def test_a_delta_is_what_was_prepared_and_its_text() -> None:
    part = OpenPart(Open(7, "text"), 2, 'msg_"1')
    part.place += b',"content_index":1'
    part.delta_of(b"response.output_text.delta", b',"logprobs":[]')
    event, _, data = part.head.partition(b"\ndata: ")
    assert event == b"event: response.output_text.delta"
    assert json.loads(data + b'"a"}') == {
        "type": "response.output_text.delta",
        "item_id": 'msg_"1',
        "output_index": 2,
        "content_index": 1,
        "logprobs": [],
        "delta": "a",
    }


def test_a_call_knows_its_id_and_name() -> None:
    part = OpenPart(Open(0, "call", id="call_1", name="f"), 0, "fc_1")
    assert (part.kind, part.call_id, part.name, part.texts) == ("call", "call_1", "f", [])


def test_a_message_begins_with_nothing_in_it() -> None:
    message = OpenMessage("msg_1", 3)
    assert (message.id, message.index, message.parts, message.open) == ("msg_1", 3, [], 0)


def test_a_summary_says_where_it_belongs() -> None:
    part = OpenPart(Open(0, "reasoning"), 1, "rs_1")
    assert json.loads(b"{" + part.summary("hm") + b"}") == {
        "item_id": "rs_1",
        "output_index": 1,
        "summary_index": 0,
        "part": {"type": "summary_text", "text": "hm"},
    }
