"""The forty cases that translators get wrong, one test each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nasty import (
    PNG,
    PNG_URL,
    USER,
    anthropic,
    anthropic_stream,
    block,
    call_delta,
    calls_of,
    chat,
    chat_call,
    chat_calls,
    chat_result,
    chunk,
    event,
    folded,
    function,
    last,
    named,
    responses,
    returned,
    said,
    sent,
    text_block,
    text_of,
    told,
)
from trips import CONTEXT, decode_stream, encode_stream, module, read_request
from values import dumps

from trio_gateway import translate_request
from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.conversation import Reasoning, ToolCall, Usage
from trio_gateway.dialects.events import End, Fail
from trio_gateway.errors import InvalidRequest, UpstreamError

FOREIGN = ("openai_responses", "anthropic_messages", "gemini", "ollama")
DONE = b"data: [DONE]\n\n"


# --------------------------------------------------------------------------------------- content and roles


@pytest.mark.parametrize("content", [None, "", []])
def test_case_01_no_content_beside_calls_leaves_no_empty_text(content: Any) -> None:
    body = chat(USER, {"role": "assistant", "content": content, "tool_calls": [chat_call("c1")]}, chat_result("c1"))
    request, _ = sent(body, "openai_chat", "anthropic_messages")
    assert [part["type"] for part in request["messages"][1]["content"]] == ["tool_use"]
    assert returned(body, "openai_chat", "anthropic_messages")["messages"][1].get("content") is None


def test_case_02_an_empty_text_block_of_an_answer_is_not_sent_back() -> None:
    answer = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [block("text", text="")],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 0},
    }
    told_body, _ = module("openai_chat").encode_answer(
        module("anthropic_messages").decode_answer(dumps(answer)), CONTEXT
    )
    message = json.loads(told_body)["choices"][0]["message"]
    request, _ = sent(chat(USER, message, USER), "openai_chat", "anthropic_messages")
    assert all(part.get("text") != "" for one in request["messages"] for part in one["content"])


def test_case_03_system_text_anywhere_is_kept_and_a_user_is_needed() -> None:
    middle = chat(
        {"role": "system", "content": "a"},
        USER,
        {"role": "developer", "content": "b"},
        USER,
        {"role": "system", "content": ""},
    )
    for target in FOREIGN:
        request, losses = sent(middle, "openai_chat", target)
        assert all(word in json.dumps(request) for word in ('"a"', "b"))
        assert losses or target == "openai_responses"
    for target in ("anthropic_messages", "gemini"):
        with pytest.raises(InvalidRequest):
            sent(chat({"role": "system", "content": "a"}), "openai_chat", target)


def test_case_04_results_come_first_and_one_message_takes_them_all() -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [chat_call("c1"), chat_call("c2")]}
    request, _ = sent(
        chat(USER, calls, chat_result("c2"), chat_result("c1"), USER), "openai_chat", "anthropic_messages"
    )
    last_message = request["messages"][-1]
    assert [part["type"] for part in last_message["content"]] == ["tool_result", "tool_result", "text"]
    mixed = anthropic(
        said("user", block("text", text="x")),
        said("assistant", block("tool_use", id="t1", name="f", input={})),
        said("user", block("text", text="y"), block("tool_result", tool_use_id="t1", content="z")),
    )
    for target in ("openai_chat", "openai_responses", "gemini", "ollama"):
        text = json.dumps(sent(mixed, "anthropic_messages", target)[0])
        assert text.index('"z"') < text.index('"y"')
    _, losses = sent(chat(USER, chat_result("unknown")), "openai_chat", "anthropic_messages")
    assert losses == ["/messages/1"]


def test_case_05_media_in_results_and_error_flags_survive_or_are_named() -> None:
    image = block("image", source={"type": "base64", "media_type": "image/png", "data": PNG})
    body = anthropic(
        said("user", block("text", text="x")),
        said("assistant", block("tool_use", id="t1", name="f", input={})),
        said("user", block("tool_result", tool_use_id="t1", content=[image], is_error=True)),
    )
    for target in ("openai_chat", "openai_responses", "gemini", "ollama"):
        request, losses = sent(body, "anthropic_messages", target)
        assert PNG in json.dumps(request)
        assert losses or target == "gemini"
    bare = body.replace(b',"content":[' + dumps(image) + b"]", b"")
    for target in ("openai_chat", "openai_responses", "gemini", "ollama"):
        sent(bare, "anthropic_messages", target)


def test_case_06_a_prefill_is_trimmed_refused_or_named() -> None:
    body = chat(USER, {"role": "assistant", "content": "so "})
    request, losses = sent(body, "openai_chat", "anthropic_messages")
    assert (request["messages"][-1]["content"][0]["text"], losses) == ("so", ["/messages/1"])
    with pytest.raises(InvalidRequest, match="continue"):
        sent(body, "openai_chat", "anthropic_messages", prefill=False)
    with pytest.raises(InvalidRequest, match="first"):
        sent(chat({"role": "assistant", "content": "hello"}, USER), "openai_chat", "anthropic_messages")


def test_case_07_citations_of_a_replayed_answer_are_carried_or_named() -> None:
    cited = block(
        "text",
        text="x",
        citations=[
            {
                "type": "web_search_result_location",
                "url": "https://a.b",
                "title": "t",
                "cited_text": "x",
                "encrypted_index": "e",
            }
        ],
    )
    body = anthropic(
        said("user", block("text", text="x")), said("assistant", cited), said("user", block("text", text="y"))
    )
    for target in ("openai_chat", "openai_responses", "gemini", "ollama"):
        _, losses = sent(body, "anthropic_messages", target)
        assert losses
        assert all(pointer.startswith("/messages/1") for pointer in losses)


def test_case_08_a_temperature_of_one_is_no_loss_where_none_is_taken() -> None:
    for value, lost in ((1.0, []), (0.5, ["/temperature"])):
        request, losses = sent(chat(USER, temperature=value), "openai_chat", "anthropic_messages", sampling="none")
        assert "temperature" not in request
        assert losses == lost


@pytest.mark.parametrize(
    "url", [f"data:;base64,{PNG}", f"data:image/png;charset=x;base64,{PNG}", f"DATA:IMAGE/PNG;BASE64,{PNG}"]
)
def test_case_09_data_urls_of_any_spelling_are_read(url: str) -> None:
    body = chat(
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]}
    )
    for target in FOREIGN:
        text = json.dumps(sent(body, "openai_chat", target)[0])
        assert PNG in text
        assert "image/png" in text or target == "ollama"
    remote = body.replace(url.encode(), b"https://example.com/a.png")
    with pytest.raises(InvalidRequest, match="data: URL"):
        sent(remote, "openai_chat", "ollama")


def test_case_10_parts_are_one_message_for_ollama() -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": PNG_URL}},
        {"type": "text", "text": "b"},
    ]
    request, losses = sent(chat({"role": "user", "content": parts}), "openai_chat", "ollama")
    assert request["messages"] == [{"role": "user", "content": "a\nb", "images": [PNG]}]
    assert losses


# --------------------------------------------------------------------------------------------- tool calls


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
    names = ["mcp.files/read", "mcp_files_read", "ünï", "9lives"]
    body = chat(USER, tools=[function(name, parameters={"type": "object"}) for name in names])
    for target in ("anthropic_messages", "openai_responses", "gemini"):
        again = returned(body, "openai_chat", target)
        assert [tool["function"]["name"] for tool in again["tools"]] == names
        request, _ = sent(body, "openai_chat", target)
        assert "mcp.files/read" not in json.dumps(request) or target == "gemini"


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


# ---------------------------------------------------------------------------------------------- reasoning


def test_case_22_thinking_goes_back_to_its_issuer_alone() -> None:
    thinking = [
        block("thinking", thinking="", signature="c2ln"),
        block("redacted_thinking", data="cmVk"),
        block("tool_use", id="t", name="f", input={}),
    ]
    body = anthropic(
        said("user", block("text", text="x")),
        said("assistant", *thinking),
        said("user", block("tool_result", tool_use_id="t", content="y")),
    )
    for target in ("openai_chat", "openai_responses", "gemini", "ollama"):
        request, losses = sent(body, "anthropic_messages", target)
        assert '"c2ln"' not in json.dumps(request)
        lost = {pointer.removesuffix("/signature") for pointer in losses}
        assert {"/messages/1/content/0", "/messages/1/content/1"} <= lost
    unsigned = chat(USER, {"role": "assistant", "content": "a", "reasoning_content": "hm"}, USER)
    request, losses = sent(unsigned, "openai_chat", "anthropic_messages")
    assert "thinking" not in json.dumps(request["messages"])
    assert losses


def test_case_22_an_answers_thinking_survives_a_client_of_another_dialect() -> None:
    signed = (
        block("thinking", thinking="", signature=""),
        [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "c2ln"}],
    )
    for target in ("openai_chat", "openai_responses", "gemini"):
        answer = told("anthropic_messages", target, anthropic_stream(signed, text_block("a")))
        [thought] = [part for part in answer.choices[0].parts if isinstance(part, Reasoning)]
        assert thought.text == "hm"
        assert thought.token is not None
        assert (thought.token.issuer, thought.token.value) == ("anthropic_messages", "c2ln")


def test_case_23_geminis_signatures_stay_where_they_were() -> None:
    parts = [
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "QUJD"},
        {"functionCall": {"id": "b", "name": "f", "args": {}}},
    ]
    stream = [
        event({"candidates": [{"content": {"parts": parts}}]}),
        event(
            {"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "REVG"}]}, "finishReason": "STOP"}]}
        ),
    ]
    for target in ("openai_chat", "openai_responses", "anthropic_messages", "gemini"):
        answer = told("gemini", target, stream)
        first, second = (part for part in answer.choices[0].parts if isinstance(part, ToolCall))
        if target in ("openai_chat", "gemini"):
            assert first.token is not None
            assert (first.token.issuer, first.token.value, second.token) == ("gemini", "QUJD", None)
        else:
            assert "QUJD" in str(answer)


def test_case_24_budgets_and_efforts_fit_the_model() -> None:
    for limit, effort in ((500, "high"), (1024, "low"), (2000, "high")):
        request, losses = sent(
            chat(USER, max_completion_tokens=limit, reasoning_effort=effort), "openai_chat", "anthropic_messages"
        )
        budget = request.get("thinking", {}).get("budget_tokens", 0)
        assert losses
        assert budget == 0 or 1024 <= budget < request["max_tokens"]
    for effort in ("xhigh", "max"):
        for target in ("gemini", "ollama"):
            _, losses = sent(chat(USER, reasoning_effort=effort), "openai_chat", target)
            assert losses or (target, effort) in (("gemini", "xhigh"), ("ollama", "max"))
    request, _ = sent(
        chat(USER, reasoning_effort="none"), "openai_chat", "anthropic_messages", thinking=frozenset({"adaptive"})
    )
    assert request.get("thinking", {}).get("type") != "disabled"


def test_case_25_reasoning_items_without_their_calls_are_no_error() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "enc",
    }
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    for items in (
        [USER, thought, USER],
        [USER, call, {"type": "function_call_output", "call_id": "c1", "output": "x"}],
    ):
        for target in ("openai_chat", "anthropic_messages", "gemini", "ollama"):
            request, _ = sent(responses(*items), "openai_responses", target)
            assert '"enc"' not in json.dumps(request)


# --------------------------------------------------------------------------------------- finish and safety


def test_case_26_refusals_are_refusals_everywhere() -> None:
    streams = {
        "anthropic_messages": anthropic_stream(stop="refusal"),
        "gemini": [event({"candidates": [], "promptFeedback": {"blockReason": "SAFETY"}})],
        "openai_chat": [chunk({"refusal": "no"}), chunk(finish="content_filter"), DONE],
    }
    for source, stream in streams.items():
        for target in ("openai_chat", "openai_responses", "anthropic_messages", "gemini"):
            stop = told(source, target, stream).choices[0].stop
            assert stop is not None
            assert stop.reason == "refusal"


def test_case_27_calls_win_over_stop_and_never_over_length() -> None:
    for finish, reason in (("stop", "tool_calls"), ("length", "length")):
        stop = folded("openai_chat", chat_calls([call_delta(0, "c1", "f", "{}")], finish=finish)).choices[0].stop
        assert stop is not None
        assert stop.reason == reason
    for stream, name in (
        (
            [
                event(
                    {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]}
                )
            ],
            "gemini",
        ),
        (
            [
                dumps(
                    {
                        "model": "m",
                        "message": {
                            "role": "assistant",
                            "content": "",
                            "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
                        },
                        "done": True,
                        "done_reason": "stop",
                    }
                )
                + b"\n"
            ],
            "ollama",
        ),
    ):
        stop = told(name, "openai_chat", stream).choices[0].stop
        assert stop is not None
        assert stop.raw == "tool_calls"


def test_case_28_unknown_reasons_to_stop_crash_nothing() -> None:
    for reason in ("pause_turn", "model_context_window_exceeded", "brand_new"):
        for target in DIALECTS:
            assert text_of(told("anthropic_messages", target, anthropic_stream(text_block("a"), stop=reason))) == "a"
    for target in DIALECTS:
        assert (
            text_of(
                told(
                    "gemini",
                    target,
                    [event({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "BRAND_NEW"}]})],
                )
            )
            == "a"
        )


# -------------------------------------------------------------------------------------------------- usage


def test_case_29_usage_wherever_it_comes() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    text = chunk({"content": "a"})
    for frames in (
        [text, chunk(finish="stop", usage=usage), DONE],
        [
            text,
            chunk(finish="stop"),
            event({"id": "chatcmpl-1", "model": "m", "created": 1, "choices": [], "usage": usage}),
            DONE,
        ],
        [chunk({"content": "a"}, usage=None), chunk(finish="stop", usage=usage), DONE],
        [
            chunk({"content": "a"}, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
            chunk(finish="stop", usage=usage),
            DONE,
        ],
    ):
        assert folded("openai_chat", frames).usage == Usage(3, 2)
    assert folded("openai_chat", [text, chunk(finish="stop"), DONE]).usage is None
    too_much = {
        **usage,
        "prompt_tokens_details": {"cached_tokens": 9},
        "completion_tokens_details": {"reasoning_tokens": 9},
    }
    for target in ("anthropic_messages", "gemini", "openai_responses", "ollama"):
        counted = told("openai_chat", target, [text, chunk(finish="stop", usage=too_much), DONE]).usage
        assert counted is None or min(count for count in (counted.input, counted.output, 0) if count is not None) >= 0
    revised = anthropic_stream(
        text_block("a"), usage={"input_tokens": 7, "output_tokens": 2, "iterations": [{"input_tokens": 7}]}
    )
    assert folded("anthropic_messages", revised).usage == Usage(7, 2)
    line = (
        dumps({"model": "m", "message": {"role": "assistant", "content": "a"}, "done": True, "done_reason": "stop"})
        + b"\n"
    )
    assert folded("ollama", [line]).usage is None


# ---------------------------------------------------------------------------------------------- transport


def test_case_30_bytes_one_at_a_time() -> None:
    stream = b"".join(anthropic_stream(text_block('é🎉 "\n'))).replace(b"\n", b"\r\n")
    answer = folded("anthropic_messages", [stream[place : place + 1] for place in range(len(stream))])
    assert text_of(answer) == 'é🎉 "\n'


def test_case_31_odd_lines_are_read() -> None:
    text = "\u2028\u2029\x85"
    first, stop = chunk({"content": text}), chunk(finish="stop")
    for stream in (
        b"\xef\xbb\xbf" + first + stop + DONE,
        (first + stop + DONE).replace(b"\n", b"\r"),
        (first + stop + DONE).replace(b"data: ", b"data:"),
        b": keep-alive\n\n" + first + stop + b"data: [DONE] \n\n",
        first + stop + DONE + chunk({"content": "late"}),
        first + stop + DONE.rstrip(b"\n"),
        first.replace(b'"choices"', b'\ndata: "choices"') + stop + DONE,
    ):
        assert text_of(folded("openai_chat", [stream])) == text


def test_case_32_pings_unknown_events_and_a_second_message() -> None:
    frames = anthropic_stream(text_block("a"))
    for place in range(1, len(frames)):
        noisy = [*frames[:place], named({"type": "ping"}), named({"type": "brand_new", "index": 9}), *frames[place:]]
        assert text_of(folded("anthropic_messages", noisy)) == "a"
    odd = anthropic_stream(
        ({"type": "text", "text": ""}, [{"type": "brand_new_delta"}, {"type": "text_delta", "text": "a"}])
    )
    assert text_of(folded("anthropic_messages", odd)) == "a"
    assert isinstance(last("anthropic_messages", [*frames[:3], *frames]), Fail)


def test_case_33_errors_in_the_middle_are_errors() -> None:
    streams: dict[str, list[bytes]] = {
        "openai_chat": [chunk({"content": "a"}), event({"error": {"message": "Overloaded", "type": "server_error"}})],
        "openai_responses": [named({"type": "error", "error": {"message": "Overloaded", "code": "x"}})],
        "anthropic_messages": [
            *anthropic_stream(text_block("a"))[:3],
            named({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        ],
        "gemini": [
            event({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}),
            b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded",\n    "status": "UNAVAILABLE"\n  }\n}\n',
        ],
        "ollama": [
            b'{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n',
            b'{"error":"Overloaded"}\n',
        ],
    }
    for source, stream in streams.items():
        for target in DIALECTS:
            with pytest.raises(UpstreamError, match="Overloaded"):
                told(source, target, stream)
        assert isinstance(last(source, [b"<html><h1>502 Bad Gateway</h1></html>"]), Fail)


@pytest.mark.parametrize("name", DIALECTS)
def test_case_34_an_end_without_its_marker_is_a_failure(name: str) -> None:
    for frames in ([], [b""], [b"data: {"], [b'{"model']):
        assert isinstance(last(name, frames), Fail)
        for target in DIALECTS:
            assert isinstance(decode_stream(target, [encode_stream(target, decode_stream(name, frames))])[-1], Fail)


def test_case_35_preludes_and_missing_keys_are_read() -> None:
    prelude = event({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []})
    bare = event(
        {
            "id": "x",
            "created": 1,
            "model": "m",
            "system_fingerprint": None,
            "choices": [{"index": 0, "delta": {"role": "", "content": "a"}}],
        }
    )
    answer = folded("openai_chat", [prelude, bare, chunk(finish="stop"), DONE])
    assert (text_of(answer), answer.id, answer.model) == ("a", "x", "m")


def test_case_36_several_choices_are_kept_or_named() -> None:
    frames = [
        chunk({"content": "a"}),
        chunk({"content": "b"}, index=1),
        chunk(finish="stop"),
        chunk({"content": "c"}, index=1),
        chunk(finish="length", index=1),
        DONE,
    ]
    answer = folded("openai_chat", frames)
    assert [(len(choice.parts), choice.stop and choice.stop.reason) for choice in answer.choices] == [
        (1, "stop"),
        (1, "length"),
    ]
    for target in ("anthropic_messages", "ollama", "openai_responses"):
        encoder = module(target).new_answer_encoder(CONTEXT)
        encoder.feed(decode_stream("openai_chat", frames))
        assert encoder.losses
        assert sent(chat(USER, n=2), "openai_chat", target)[1] == ["/n"]


def test_case_37_geminis_array_and_partial_arguments() -> None:
    chunks = [
        {"candidates": [{"content": {"parts": [{"text": text}]}, **finish}]}
        for text, finish in (("a", {}), ("b", {"finishReason": "STOP"}))
    ]
    stream = b"[" + b"\n,\r\n".join(map(dumps, chunks)) + b"]"
    for size in (1, 7, len(stream)):
        assert (
            text_of(folded("gemini", [stream[place : place + size] for place in range(0, len(stream), size)])) == "ab"
        )
    partial = {"name": "f", "partialArgs": [{"jsonPath": "$.a[0]", "stringValue": "x"}], "willContinue": True}
    frames = [
        event({"candidates": [{"content": {"parts": [{"functionCall": partial}]}}]}),
        event({"candidates": [{"finishReason": "STOP"}]}),
    ]
    for target in DIALECTS:
        [(name, arguments)] = calls_of(told("gemini", target, frames))
        assert (name, json.loads(arguments)) == ("f", {"a": ["x"]})


def test_case_38_responses_events_that_repeat_skip_or_rotate() -> None:
    item = {
        "type": "message",
        "id": "msg_9",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "ab", "annotations": []}],
    }
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": [item],
        "usage": None,
    }
    added = named(
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "id": "msg_1", "content": []}}
    )
    delta = named(
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "item_id": "msg_2",
            "delta": "ab",
            "sequence_number": 77,
        }
    )
    done = named(
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "item_id": "msg_3", "text": "ab"}
    )
    item_done = named({"type": "response.output_item.done", "output_index": 0, "item": item})
    end = named({"type": "response.completed", "response": response})
    for frames in ([added, delta, done, item_done, end], [added, item_done, end], [added, done, item_done, end], [end]):
        assert text_of(folded("openai_responses", frames)) == "ab"


# -------------------------------------------------------------------------------- caching and passthrough


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
