from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trio_gateway
from trio_gateway import AnswerTranslator, OwnName, translate_answer, translate_request
from trio_gateway.dialects import DIALECTS, dialect
from trio_gateway.dialects.events import End, Fail
from trio_gateway.errors import InvalidRequest, UpstreamBroke, UpstreamError

CHAT = b'{"model": "gpt-5-mini", "messages": [{"role":"user","content":"hi"}], "temperature" : 0.50, "new": 1}'
CHAT_ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "gpt-5-mini",
        "choices": [
            {"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "hey"}}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
).encode()
TOOL = {"type": "function", "function": {"name": "mcp.read", "parameters": {"type": "object"}}}
OLLAMA_LINES = (
    b'{"model":"m","created_at":"2026-08-21T08:52:19.385406455Z","message":{"role":"assistant","content":"he"},"done":false}\n'
    b'{"model":"m","created_at":"2026-08-21T08:52:19.485406455Z","message":{"role":"assistant","content":"y"},"done":false}\n'
    b'{"model":"m","created_at":"2026-08-21T08:52:19.585406455Z","message":{"role":"assistant","content":""},"done":true,'
    b'"done_reason":"stop","prompt_eval_count":3,"eval_count":1,"total_duration":5}\n'
)


def pointers(losses: list[trio_gateway.Loss]) -> list[str]:
    return [loss.pointer for loss in losses]


def test_a_request_is_translated_and_says_what_was_lost() -> None:
    translated = translate_request(CHAT, "openai_chat", "ollama", model="llama3.2")
    assert json.loads(translated.body) == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
        "options": {"temperature": 0.5},
    }
    assert pointers(translated.losses) == ["/new"]


def test_without_a_model_the_clients_is_kept() -> None:
    assert json.loads(translate_request(CHAT, "openai_chat", "ollama").body)["model"] == "gpt-5-mini"


def test_what_the_model_takes_is_looked_up_by_its_name() -> None:
    old = translate_request(CHAT, "openai_chat", "anthropic_messages", model="claude-3-5-haiku-latest")
    new = translate_request(CHAT, "openai_chat", "anthropic_messages", model="claude-opus-4-7")
    assert json.loads(old.body)["temperature"] == 0.5
    assert "temperature" not in json.loads(new.body)
    assert "/temperature" in pointers(new.losses)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_same_dialect_passes_byte_for_byte(name: str) -> None:
    body = b'{ "unknown" : 1.0,\n"model":"m" }'
    assert translate_request(body, name, name) == trio_gateway.Translated(body, [])
    assert translate_request(body, name, name, model="m").body == body
    assert translate_answer(b"anything", name, name) == trio_gateway.Translated(b"anything", [])
    translator = AnswerTranslator(name, name)
    assert translator.feed(b"any\xff") == b"any\xff"
    assert (translator.close(), translator.losses) == (b"", [])


def test_only_the_models_name_is_spliced() -> None:
    assert translate_request(CHAT, "openai_chat", "openai_chat", model='x"y').body == CHAT.replace(
        b'"gpt-5-mini"', b'"x\\"y"'
    )


def test_an_answer_keeps_the_sources_id_and_time() -> None:
    body = json.loads(translate_answer(CHAT_ANSWER, "openai_chat", "anthropic_messages").body)
    assert [block["text"] for block in body["content"]] == ["hey"]
    assert body["id"].endswith("1")
    plain = json.loads(translate_answer(CHAT_ANSWER, "openai_chat", "ollama").body)
    assert plain["created_at"] == "1970-01-01T00:00:07Z"


def test_an_answer_without_an_id_gets_one_that_stays_the_same() -> None:
    whole = OLLAMA_LINES.splitlines()[-1]
    first = translate_answer(whole, "ollama", "openai_chat")
    assert first == translate_answer(whole, "ollama", "openai_chat")
    other = translate_answer(whole.replace(b":3,", b":4,"), "ollama", "openai_chat")
    assert json.loads(first.body)["id"] != json.loads(other.body)["id"]
    assert pointers(first.losses) == ["/total_duration"]


def stream(chunks: list[bytes], source: str = "ollama", target: str = "openai_chat") -> tuple[bytes, list[str]]:
    translator = AnswerTranslator(source, target)
    written = b"".join([translator.feed(chunk) for chunk in chunks])
    return written + translator.close(), pointers(translator.losses)


def test_a_stream_is_translated() -> None:
    written, losses = stream([OLLAMA_LINES])
    *chunks, done = [part.removeprefix(b"data: ") for part in written.split(b"\n\n") if part]
    read: list[Any] = [json.loads(chunk) for chunk in chunks]
    assert done == b"[DONE]"
    assert "".join(c["delta"].get("content") or "" for chunk in read for c in chunk["choices"]) == "hey"
    assert read[-1]["usage"]["total_tokens"] == 4
    assert losses == ["/total_duration"]


@given(st.lists(st.integers(0, len(OLLAMA_LINES))), st.sampled_from([d for d in DIALECTS if d != "ollama"]))
def test_it_does_not_matter_where_a_stream_is_split(cuts: list[int], target: str) -> None:
    places = [0, *sorted(cuts), len(OLLAMA_LINES)]
    chunks = [OLLAMA_LINES[start:end] for start, end in pairwise(places)]
    assert stream(chunks, target=target) == stream([OLLAMA_LINES], target=target)


def test_two_streams_have_two_ids() -> None:
    later = OLLAMA_LINES.replace(b".385406455", b".385406456")
    assert stream([OLLAMA_LINES])[0] != stream([later])[0]


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("sent", [b"", b"<html>Bad Gateway</html>\n\n", OLLAMA_LINES[:130], OLLAMA_LINES[:200]])
def test_a_stream_that_breaks_never_looks_whole(source: str, target: str, sent: bytes) -> None:
    if source == target:
        return
    written, _ = stream([sent], source, target)
    decoder = dialect(target).new_answer_decoder()
    events = decoder.feed(written) + decoder.close()
    assert isinstance(events[-1], Fail)
    assert not any(isinstance(event, End) for event in events)
    assert b"error" in written


def test_an_error_in_place_of_an_answer_is_raised() -> None:
    with pytest.raises(UpstreamError, match="boom"):
        translate_answer(b'{"error":"boom"}', "ollama", "openai_chat")
    with pytest.raises(UpstreamBroke):
        translate_answer(b"<html>", "ollama", "openai_chat")


def test_a_bad_request_is_refused_where_it_is_wrong() -> None:
    with pytest.raises(InvalidRequest) as caught:
        translate_request(b'{"model":"m","messages":[{"role":"critic"}]}', "ollama", "openai_chat")
    assert caught.value.pointer == "/messages/0/role"
    with pytest.raises(InvalidRequest):
        translate_request(b"[]", "ollama", "ollama", model="m")


def _request(source: str, target: str) -> object:
    return translate_request(b"{}", source, target)


def _answer(source: str, target: str) -> object:
    return translate_answer(b"{}", source, target)


@pytest.mark.parametrize("call", [_request, _answer, AnswerTranslator])
@pytest.mark.parametrize(("source", "target"), [("smoke", "ollama"), ("ollama", "signals"), ("smoke", "smoke")])
def test_an_unknown_dialect_is_told_which_there_are(
    call: Callable[[str, str], object], source: str, target: str
) -> None:
    with pytest.raises(ValueError, match=r"unknown dialect '(smoke|signals)'.*openai_chat, .*ollama"):
        call(source, target)


def test_importing_the_package_is_cheap() -> None:
    script = (
        "import sys, trio_gateway\n"
        "early = set(sys.modules) & {'msgspec', 'trio_gateway.translate'}\n"
        "trio_gateway.translate_request\n"
        "late = set(sys.modules) & {'quart', 'quart_trio', 'hypercorn', 'httpx', 'trio', 'httptools'}\n"
        "assert not early and not late, (early, late)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_is_exported_can_be_seen_and_nothing_else_can_be_had() -> None:
    assert set(trio_gateway.__all__) <= set(dir(trio_gateway))
    assert trio_gateway.__version__
    with pytest.raises(AttributeError, match="nothing"):
        _ = trio_gateway.nothing


def test_calls_of_an_answer_have_the_clients_own_names_of_tools() -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [TOOL]}).encode()
    there = translate_request(body, "ollama", "openai_chat")
    assert there.tool_names == {"mcp_x2E_read": OwnName("mcp.read")}
    assert json.loads(there.body)["tools"][0]["function"]["name"] == "mcp_x2E_read"
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "mcp_x2E_read", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls"}
    whole = json.dumps({"id": "x", "choices": [choice | {"message": said}]}).encode()
    plain = translate_answer(whole, "openai_chat", "ollama", tool_names=there.tool_names)
    assert json.loads(plain.body)["message"]["tool_calls"][0]["function"]["name"] == "mcp.read"
    translator = AnswerTranslator("openai_chat", "ollama", tool_names=there.tool_names)
    chunk = json.dumps({"id": "x", "choices": [choice | {"delta": said}]}).encode()
    streamed = translator.feed(b"data: %b\n\ndata: [DONE]\n\n" % chunk) + translator.close()
    assert b'"mcp.read"' in streamed
    assert b"mcp_x2E_read" not in streamed
