"""Cases 11 to 21 of the forty that translators get wrong: tool calls."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from answer_streams import uncut
from answers import whole
from members import NAME_PATTERNS
from nasty import (
    FOREIGN,
    USER,
    anthropic_stream,
    block,
    call_delta,
    calls_of,
    chat,
    chat_call,
    chat_calls,
    chat_result,
    event,
    folded,
    function,
    returned,
    sent,
    told,
)
from shared_requests import WRITE, bare
from trips import CONTEXT, carry, decode_stream, module, read_request
from values import dumps

from trio_gateway import AnswerTranslator, translate_answer, translate_request
from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.events import End
from trio_gateway.errors import InvalidRequest


def test_case_11_a_call_without_arguments_is_an_empty_object() -> None:
    streams = {
        "openai_chat": chat_calls([call_delta(0, "c1", "f", "")]),
        "anthropic_messages": anthropic_stream(
            (block("tool_use", id="t", name="f", input={}), [{"type": "input_json_delta", "partial_json": ""}]),
            stop="tool_use",
        ),
        "gemini": [
            event({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]})
        ],
    }
    for source, stream in streams.items():
        for target in DIALECTS:
            assert calls_of(told(source, target, stream)) == [("f", "{}")]


@pytest.mark.parametrize("arguments", ['"x"', "[1]", "null", "3", '{"a":', '{}{"a":1}', '{"a":1} x'])
def test_case_12_arguments_that_are_no_object_are_named(arguments: str) -> None:
    body = chat(USER, {"role": "assistant", "tool_calls": [chat_call("c1", arguments=arguments)]}, chat_result("c1"))
    for target in ("anthropic_messages", "gemini", "ollama"):
        request, losses = sent(body, "openai_chat", target)
        assert json.dumps(arguments)[1:-1] in json.dumps(request) or arguments in json.dumps(request)
        assert losses
    request, losses = sent(body, "openai_chat", "openai_responses")
    assert (request["input"][1]["arguments"], losses) == (arguments, [])


def test_case_13_a_parsable_prefix_is_not_taken_for_the_whole() -> None:
    stream = chat_calls(
        [call_delta(0, "c1", "f", '{"a":1}')], [call_delta(0, arguments=" ")], [call_delta(0, arguments="\n")]
    )
    for target in DIALECTS:
        decoded = decode_stream("openai_chat", stream[:1])
        encoder = module(target).new_answer_encoder(CONTEXT)
        early = encoder.feed(decoded[:-1])  # without the failure that a stream this short ends in
        assert not any(type(one) is End for one in decode_stream(target, [early]))
        assert json.loads(calls_of(told("openai_chat", target, stream))[0][1]) == {"a": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a":1,"a":2}',
        '{"__proto__":1}',
        '{"a":-0}',
        '{"a":9007199254740993}',
        '{"a":1.0}',
        '{"a":"\\u0000"}',
        '{"a":1e400}',
    ],
)
def test_case_14_odd_json_in_arguments_keeps_its_text(arguments: str) -> None:
    body = chat(USER, {"role": "assistant", "tool_calls": [chat_call("c1", arguments=arguments)]}, chat_result("c1"))
    for target in FOREIGN:
        there = translate_request(body, "openai_chat", target)
        text = there.body.decode()
        assert arguments in text or json.dumps(arguments)[1:-1] in text or there.losses
    for bad in (b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', b'{"model":"m","messages":NaN}'):
        with pytest.raises(InvalidRequest):
            read_request("openai_chat", bad)


def test_case_15_chats_fragments_are_sorted_out() -> None:
    cases = [
        [
            [call_delta(0, "a", "f", "")],
            [call_delta(1, "b", "g", "")],
            [call_delta(0, arguments="{}")],
            [call_delta(1, arguments="[]")],
        ],
        [[call_delta(0, "a", "f", "{}"), call_delta(1, "b", "g", "[]")]],
        [[call_delta(1, "a", "f", "{}")], [call_delta(5, "b", "g", "[]")]],
        [[call_delta(0, "a", "f", "{")], [call_delta(0, "a", "f", "}")], [call_delta(1, "b", "g", "[]")]],
        [[call_delta(0, "a", "f", "{"), call_delta(0, arguments="}")], [call_delta(1, "b", "g", "[]")]],
        [[call_delta(0, "a", "", "{")], [call_delta(0, None, "f", "}")], [call_delta(1, "b", "g", "[]")]],
        [[call_delta(None, "a", "f", "{}")], [call_delta(None, "b", "g", "[]")]],
        [[call_delta(0, "", "f", "{}")], [call_delta(1, "", "g", "[]")]],
    ]
    for fragments in cases:
        assert calls_of(folded("openai_chat", chat_calls(*fragments))) == [("f", "{}"), ("g", "[]")]


def test_case_16_equal_calls_without_ids_are_paired_in_order() -> None:
    calls = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "f", "arguments": {"n": n}}} for n in (1, 2)],
    }
    results = [{"role": "tool", "content": text, "tool_name": "f"} for text in ("one", "two")]
    body = dumps({"model": "m", "messages": [USER, calls, *results]})
    request, _ = sent(body, "ollama", "openai_chat")
    first, second = (call["id"] for call in request["messages"][1]["tool_calls"])
    assert first != second
    assert [(one["tool_call_id"], one["content"]) for one in request["messages"][2:]] == [
        (first, "one"),
        (second, "two"),
    ]


def test_case_17_illegal_names_come_back_and_never_collide() -> None:
    names = ["mcp.files/read", "mcp_files_read", "mcp_x2E_files_x2F_read", "ünï", "9lives"]
    names += ["n" * 200, "n" * 201, "f-x0_"]
    body = dumps({"model": "m", "messages": [USER], "tools": [{"function": {"name": name}} for name in names]})
    for target in ("openai_chat", "anthropic_messages", "openai_responses", "gemini"):
        trip = carry(body, "ollama", target)
        told = [tool.name for tool in read_request(target, trip.body).tools]
        assert len(set(told)) == len(names)
        assert all(re.fullmatch(NAME_PATTERNS[target], name) for name in told)
        assert told[1:3] == names[1:3]
        assert [tool.name for tool in trip.arrived().tools] == names
        assert trip.losses == []


@pytest.mark.parametrize("source", DIALECTS)
def test_case_17_a_name_that_only_looks_escaped_goes_out_and_comes_back_as_it_is(source: str) -> None:
    name = "tile_x20_y"
    asked = bare([("user", [("text", "hi")]), ("assistant", None, [("c", name, {})]), ("results", [("c", name, "x")])])
    called = {"thoughts": "", "token": None, "text": "", "calls": [("d", name, "{}")], "stop": "tool_calls"}
    called["usage"] = None
    for target in DIALECTS:
        there = translate_request(dumps(WRITE[source](asked)), source, target, model="m")
        assert b'"tile_x20_y"' in there.body
        assert there.tool_names == {}
        back = translate_answer(whole(target, called), target, source, tool_names=there.tool_names).body
        assert calls_of(module(source).decode_answer(back)) == [(name, "{}")]
        translator = AnswerTranslator(target, source, tool_names=there.tool_names)
        streamed = b"".join(map(translator.feed, uncut(target, called))) + translator.close()
        assert calls_of(folded(source, [streamed])) == [(name, "{}")]


def test_case_18_ids_of_any_kind_reach_the_target_as_it_takes_them() -> None:
    for id_ in ("a:b.c|d", "x" * 200, "call_1__thought__QUJD"):
        body = chat(USER, {"role": "assistant", "tool_calls": [chat_call(id_)]}, chat_result(id_))
        request, _ = sent(body, "openai_chat", "anthropic_messages")
        used, answered = request["messages"][1]["content"][0]["id"], request["messages"][2]["content"][0]["tool_use_id"]
        assert used == answered
        assert used.replace("_", "").replace("-", "").isalnum()
    twice = [
        part for _ in range(2) for part in ({"role": "assistant", "tool_calls": [chat_call("c1")]}, chat_result("c1"))
    ]
    for target in FOREIGN:
        sent(chat(USER, *twice), "openai_chat", target)


def test_case_19_the_parallel_wrapper_is_a_call_like_any_other() -> None:
    arguments = '{"tool_uses":[{"recipient_name":"functions.f","parameters":{}}]}'
    for target in DIALECTS:
        [(name, passed)] = calls_of(
            told("openai_chat", target, chat_calls([call_delta(0, "c1", "multi_tool_use.parallel", arguments)]))
        )
        assert name == "multi_tool_use.parallel"
        assert json.loads(passed) == json.loads(arguments)


def test_case_20_choices_of_tools_that_a_target_lacks() -> None:
    tools = [function("f", parameters={"type": "object"}), function("g", parameters={"type": "object"})]
    assert "tools" not in sent(chat(USER, tools=tools, tool_choice="none"), "openai_chat", "ollama")[0]
    history = chat(
        USER, {"role": "assistant", "tool_calls": [chat_call("c1")]}, chat_result("c1"), tools=tools, tool_choice="none"
    )
    request, _ = sent(history, "openai_chat", "anthropic_messages")
    assert (len(request["tools"]), request["tool_choice"]) == (2, {"type": "none"})
    forced, losses = sent(
        chat(USER, tools=tools, tool_choice="required", reasoning_effort="high", max_completion_tokens=9000),
        "openai_chat",
        "anthropic_messages",
    )
    assert losses
    assert not (
        "thinking" in forced
        and forced["thinking"]["type"] == "enabled"
        and forced.get("tool_choice") == {"type": "any"}
    )
    subset = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
    }
    for target in ("anthropic_messages", "ollama"):
        offered, losses = sent(chat(USER, tools=tools, tool_choice=subset), "openai_chat", target)
        assert losses
        assert '"f"' not in json.dumps(offered["tools"])


SCHEMAS = [
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": ["string", "null"]}}},
    {
        "type": "object",
        "properties": {"a": {"const": 1}, "b": {"oneOf": [{"type": "string"}]}},
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {"properties": {"type": "string"}, "type": {"type": "string"}, "required": {"type": "string"}},
    },
    {"type": "object", "properties": {"a": True}},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_case_21_schemas_keep_every_keyword(schema: dict[str, Any]) -> None:
    for target in FOREIGN:
        body = chat(USER, tools=[function("f", parameters=schema)])
        again = returned(body, "openai_chat", target)
        assert again["tools"][0]["function"]["parameters"] == schema
    for parameters in ({}, None):
        request, _ = sent(chat(USER, tools=[function("f", parameters=parameters)]), "openai_chat", "anthropic_messages")
        assert request["tools"][0]["input_schema"]["type"] == "object"
