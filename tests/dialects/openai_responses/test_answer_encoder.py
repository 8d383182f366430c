from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from openai.types.responses import Response

from tests.dialects.readers import placeless
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Audio,
    Choice,
    Loss,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Stop,
    Text,
    Token,
    ToolCall,
    Usage,
)
from trio_gateway.dialects.openai_responses import decode_answer, encode_answer

ME = "openai_responses"
CONTEXT = AnswerContext(id="x1", created=1787302339, model="ours")


def encode(*parts: Part, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    fields.setdefault("stop", Stop("stop"))
    logprobs = fields.pop("logprobs", None)
    choice = Choice(list(parts), fields.pop("stop"), logprobs=logprobs)
    body, losses = encode_answer(Answer(source="x", choices=[choice], **fields), CONTEXT)
    Response.model_validate_json(body)
    return msgspec.json.decode(body), [loss.pointer for loss in losses]


def test_an_answer_is_a_whole_response_object() -> None:
    body, losses = encode(Text("Hello"), model="claude", usage=Usage(3, 4, 1, 2, 0))
    assert body == {
        "id": "resp_x1",
        "object": "response",
        "created_at": 1787302339,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "claude",
        "output": [
            {
                "type": "message",
                "id": "msg_x1_0",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "Hello"}],
            }
        ],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2},
            "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 7,
        },
        "metadata": {},
    }
    assert losses == []


def test_unknown_usage_is_absent() -> None:
    assert "usage" not in encode(Text("a"))[0]


def test_a_responses_id_is_kept_and_any_other_replaced() -> None:
    assert encode(id="resp_9")[0]["id"] == "resp_9"
    assert encode(id="chatcmpl-9")[0]["id"] == "resp_x1"


def test_parts_become_items_and_texts_in_a_row_one_message() -> None:
    body, losses = encode(
        Reasoning("hm", token=Token("anthropic_messages", "sig")),
        Text("a"),
        Refusal("no"),
        ToolCall("toolu_1", "f", ""),
        ToolCall("c", "sh", "ls", custom=True),
        Text("b"),
        stop=Stop("refusal"),
    )
    assert [(item["type"], item["id"]) for item in body["output"]] == [
        ("reasoning", "rs_x1_0"),
        ("message", "msg_x1_1"),
        ("function_call", "fc_x1_2"),
        ("custom_tool_call", "ctc_x1_3"),
        ("message", "msg_x1_4"),
    ]
    assert body["output"][0]["encrypted_content"] == "trio:anthropic_messages:sig"
    assert body["output"][2]["arguments"] == "{}"
    assert losses == []


def test_a_token_of_a_call_is_carried_behind_it() -> None:
    body, losses = encode(ToolCall("c", "f", "{}", token=Token("gemini", "sig")), stop=Stop("tool_calls"))
    assert [item["type"] for item in body["output"]] == ["function_call", "reasoning"]
    assert body["output"][1]["encrypted_content"] == "trio:gemini:previous:sig"
    assert losses == []


def test_a_call_says_the_namespace_it_is_of() -> None:
    calls = [ToolCall("c", "f", "{}", namespace="crm"), ToolCall("d", "g", "x", custom=True, namespace="crm")]
    body, _ = encode(*calls, ToolCall("e", "f", "{}"))
    assert [item.get("namespace") for item in body["output"]] == ["crm", "crm", None]


def test_redacted_thinking_is_marked() -> None:
    body, _ = encode(Reasoning("", token=Token("anthropic_messages", "data"), redacted=True))
    assert body["output"][0]["encrypted_content"] == "trio:anthropic_messages:redacted:data"
    assert body["output"][0]["summary"] == []


def test_an_answer_cut_off_is_incomplete_and_so_are_its_last_message_and_call() -> None:
    body, _ = encode(ToolCall("c", "f", '{"a'), Text("so"), stop=Stop("length"))
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert [item["status"] for item in body["output"]] == ["incomplete", "incomplete"]


def test_logprobs_go_to_the_text() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    logprobs = Raw(msgspec.json.encode({"content": [entry], "refusal": [entry]}))
    body, losses = encode(Text("a"), logprobs=logprobs)
    assert body["output"][0]["content"][0]["logprobs"] == [entry]
    assert losses == ["/logprobs/refusal"]
    assert encode(logprobs=logprobs)[1] == ["/logprobs/refusal", "/logprobs"]


def test_what_an_answer_cannot_hold_is_a_loss() -> None:
    other = Opaque("anthropic_messages", "server_tool_use", Raw(b"{}"), "/content/0")
    body, losses = encode(other, Audio(Media("base64", "AA=="), "/content/1"), Text("a", "/t", citations=[Raw(b"{}")]))
    assert len(body["output"]) == 1
    assert losses == ["/content/0", "/content/1", "/t/citations"]


def test_further_choices_are_lost() -> None:
    answer = Answer(source="x", choices=[Choice([Text("a")], Stop("stop")), Choice([Text("b")], Stop("stop"), index=1)])
    body, losses = encode_answer(answer, CONTEXT)
    assert b'"b"' not in body
    assert losses == [Loss("/choices/1", "there is one answer here")]


def test_an_answer_without_choices_is_empty() -> None:
    body, losses = encode_answer(Answer(source="x", choices=[]), CONTEXT)
    assert msgspec.json.decode(body)["output"] == []
    assert [loss.pointer for loss in losses] == ["/stop"]


# ------------------------------------------------------------------------------------------------- laws

words = st.text(min_size=1, max_size=5)
word = st.text("ab_", min_size=1, max_size=5)
annotations = st.lists(st.just(Raw(b'{"type":"file_path","file_id":"f","index":0}')), min_size=1, max_size=2)
tokens = st.builds(Token, st.sampled_from(["anthropic_messages", "gemini"]), word)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, words, citations=st.none() | annotations),
    st.builds(Refusal, words),
    st.builds(ToolCall, word, word, st.sampled_from(["{}", '{"a":1}', '{"a'])),
    st.builds(ToolCall, word, word, words, custom=st.just(True)),
    st.builds(Reasoning, words, token=st.none() | tokens),
    st.builds(Reasoning, st.just(""), token=tokens, redacted=st.booleans()),
    st.just(Opaque(ME, "web_search_call", Raw(b'{"type":"web_search_call","id":"ws_1"}'))),
)
usages = st.none() | st.builds(Usage, *[st.integers(0, 99)] * 5)


@given(st.lists(parts, max_size=5), usages, st.none() | st.just("flex"))
def test_what_the_dialect_can_hold_comes_back(given_parts: list[Part], usage: Usage | None, tier: str | None) -> None:
    refused = any(isinstance(part, Refusal) for part in given_parts)
    called = any(isinstance(part, ToolCall) for part in given_parts)
    stop = Stop("refusal" if refused else "tool_calls" if called else "stop", raw="completed")
    answer = Answer(
        source=ME,
        choices=[Choice(given_parts, stop)],
        id="resp_1",
        model="m",
        created=7,
        usage=usage,
        service_tier=tier,
    )
    body, losses = encode_answer(answer, CONTEXT)
    again = decode_answer(body)
    for part in again.choices[0].parts:
        if isinstance(part, Reasoning):
            part.id = None  # which it must have here
    assert placeless(again) == answer
    assert losses == []
