"""Cases 22 to 25 of the forty that translators get wrong: reasoning."""

from __future__ import annotations

import json

from nasty import (
    USER,
    anthropic,
    anthropic_stream,
    block,
    chat,
    event,
    responses,
    said,
    sent,
    text_block,
    told,
)

from trio_gateway.dialects.conversation import Reasoning, ToolCall


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
