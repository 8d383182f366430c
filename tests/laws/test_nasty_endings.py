"""Cases 26 to 29 of the forty that translators get wrong: why an answer ends, and what it used."""

from __future__ import annotations

from nasty import (
    DONE,
    anthropic_stream,
    call_delta,
    chat_calls,
    chunk,
    event,
    folded,
    text_block,
    text_of,
    told,
)
from values import dumps

from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.conversation import Usage


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
