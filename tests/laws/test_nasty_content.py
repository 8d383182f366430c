"""Cases 1 to 10 of the forty that translators get wrong: content and roles. One test each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nasty import (
    FOREIGN,
    PNG,
    PNG_URL,
    USER,
    anthropic,
    block,
    chat,
    chat_call,
    chat_result,
    returned,
    said,
    sent,
)
from trips import CONTEXT, module
from values import dumps

from trio_gateway.errors import InvalidRequest


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
    with pytest.raises(InvalidRequest, match="inline, as base64"):
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
