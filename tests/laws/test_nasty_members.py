"""Cases 39 and 40 of the forty that translators get wrong: members that are to stay as they are, or to fall."""

from __future__ import annotations

import json

from nasty import (
    DONE,
    FOREIGN,
    USER,
    chat,
    chunk,
    folded,
    function,
    sent,
    text_of,
)

from trio_gateway import translate_request


def test_case_39_key_order_and_spelling_stay_and_marks_are_kept_to_four() -> None:
    schema = b'{"type":"object","properties":{"z":{"type":"number","minimum":1.0},"a":{"type":"string"}}}'
    body = chat(USER, tools=[function("f", parameters="SCHEMA")]).replace(b'"SCHEMA"', schema)
    for target in FOREIGN:
        assert schema in translate_request(body, "openai_chat", target).body
    marked = [{"type": "text", "text": str(place), "cache_control": {"type": "ephemeral"}} for place in range(6)]
    request, losses = sent(chat({"role": "user", "content": marked}), "openai_chat", "anthropic_messages")
    assert json.dumps(request).count("cache_control") == 4
    assert len(losses) == 2


def test_case_40_unknown_fields_go_nowhere_foreign_and_nulls_are_nothing() -> None:
    body = chat({**USER, "x_inner": 1}, x_new={"a": 1}, temperature=None, tools=None, stop=None)
    for target in FOREIGN:
        request, losses = sent(body, "openai_chat", target)
        assert all(name not in json.dumps(request) for name in ("x_inner", "x_new"))
        assert sorted(losses) == ["/messages/0/x_inner", "/x_new"]
    assert translate_request(body, "openai_chat", "openai_chat").body == body
    huge = "x" * 3_000_000
    assert text_of(folded("openai_chat", [chunk({"content": huge}), chunk(finish="stop"), DONE])) == huge
