"""Cases 30 to 38 of the forty that translators get wrong: streams as they arrive."""

from __future__ import annotations

import json

import pytest
from nasty import (
    DONE,
    USER,
    anthropic_stream,
    calls_of,
    chat,
    chunk,
    event,
    folded,
    last,
    named,
    sent,
    text_block,
    text_of,
    told,
)
from trips import CONTEXT, decode_stream, encode_stream, module
from values import dumps

from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.events import Fail
from trio_gateway.errors import UpstreamError


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
