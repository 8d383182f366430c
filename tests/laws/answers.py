"""Whole answers of every dialect, from one sketch: what was said, in nobody's words. Streams: answer_streams.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from values import dumps, good_arguments, texts, words

Sketch = dict[str, Any]
CREATED = 1_790_000_000
STOPS = ("stop", "length", "refusal")


@st.composite
def answers(draw: st.DrawFn, *, reasoning: bool = True) -> Sketch:
    """Draw an answer that every dialect can give: thoughts, a text, calls, a reason to stop, counts."""
    count = draw(st.sampled_from((0, 0, 1, 2)))
    calls = [(f"call_{place}", draw(words), draw(good_arguments.filter(_is_plain))) for place in range(count)]
    text = draw(texts if not calls else st.just("") | texts)
    known = st.integers(0, 9)
    return {
        "thoughts": draw(st.just("") | texts) if reasoning else "",
        "token": draw(st.none() | st.just("c2lnbmVk")) if reasoning else None,
        "text": text,
        "calls": calls,
        "stop": "tool_calls" if calls else draw(st.sampled_from(STOPS)),
        "usage": draw(
            st.none()
            | st.fixed_dictionaries(
                {
                    "fresh": st.integers(1, 99),
                    "cached": known,
                    "write": known,
                    "text": st.integers(1, 99),
                    "reasoning": known,
                }
            )
        ),
    }


def _is_plain(text: str) -> bool:
    """Leave out numbers that JSON libraries spell in their own way: what is compared is whole streams."""
    return bool(json.dumps(json.loads(text)) is not None)


# -------------------------------------------------------------------------------------------------- whole


def chat_usage(usage: Sketch | None) -> Any:
    if usage is None:
        return None
    prompt, completion = usage["fresh"] + usage["cached"] + usage["write"], usage["text"] + usage["reasoning"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage["cached"], "cache_write_tokens": usage["write"]},
        "completion_tokens_details": {"reasoning_tokens": usage["reasoning"]},
    }


CHAT_STOPS = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "refusal": "content_filter"}


def openai_chat(sketch: Sketch) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": sketch["text"] or None, "refusal": None}
    if sketch["thoughts"]:
        message["reasoning_content"] = sketch["thoughts"]
    if sketch["calls"]:
        message["tool_calls"] = [
            {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id_, name, arguments in sketch["calls"]
        ]
    choice = {"index": 0, "message": message, "finish_reason": CHAT_STOPS[sketch["stop"]], "logprobs": None}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": CREATED,
        "model": "a-model",
        "choices": [choice],
    }
    return body | ({"usage": chat_usage(sketch["usage"])} if sketch["usage"] else {})


def responses_usage(usage: Sketch | None) -> Any:
    if usage is None:
        return None
    found = chat_usage(usage)
    return {
        "input_tokens": found["prompt_tokens"],
        "input_tokens_details": found["prompt_tokens_details"],
        "output_tokens": found["completion_tokens"],
        "output_tokens_details": found["completion_tokens_details"],
        "total_tokens": found["total_tokens"],
    }


def responses_items(sketch: Sketch) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if sketch["thoughts"] or sketch["token"]:
        summary = [{"type": "summary_text", "text": sketch["thoughts"]}] if sketch["thoughts"] else []
        item = {"type": "reasoning", "id": "rs_1", "summary": summary}
        items.append(item | ({"encrypted_content": sketch["token"]} if sketch["token"] else {}))
    status = "completed" if sketch["stop"] in ("stop", "tool_calls") else "incomplete"
    if sketch["text"]:
        part = {"type": "output_text", "text": sketch["text"], "annotations": [], "logprobs": []}
        items.append({"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [part]})
    for place, (id_, name, arguments) in enumerate(sketch["calls"]):
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{place}",
                "call_id": id_,
                "name": name,
                "arguments": arguments,
                "status": "completed",
            }
        )
    return items


def responses_envelope(sketch: Sketch, *, done: bool) -> dict[str, Any]:
    reasons = {"length": "max_output_tokens", "refusal": "content_filter"}
    reason = reasons.get(sketch["stop"])
    status = "in_progress" if not done else "incomplete" if reason else "completed"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "model": "a-model",
        "incomplete_details": {"reason": reason} if reason and done else None,
        "output": responses_items(sketch) if done else [],
        "usage": responses_usage(sketch["usage"]) if done else None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tools": [],
        "tool_choice": "auto",
    }


def openai_responses(sketch: Sketch) -> dict[str, Any]:
    return responses_envelope(sketch, done=True)


_ANTHROPIC_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}


def anthropic_usage(usage: Sketch | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {
        "input_tokens": usage["fresh"],
        "cache_creation_input_tokens": usage["write"],
        "cache_read_input_tokens": usage["cached"],
        "output_tokens": usage["text"] + usage["reasoning"],
        "output_tokens_details": {"thinking_tokens": usage["reasoning"]},
    }


def anthropic_messages(sketch: Sketch) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if sketch["thoughts"] or sketch["token"]:
        content.append({"type": "thinking", "thinking": sketch["thoughts"], "signature": sketch["token"] or ""})
    if sketch["text"]:
        content.append({"type": "text", "text": sketch["text"]})
    content += [
        {"type": "tool_use", "id": id_, "name": name, "input": json.loads(arguments)}
        for id_, name, arguments in sketch["calls"]
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "a-model",
        "content": content,
        "stop_reason": _ANTHROPIC_STOPS[sketch["stop"]],
        "stop_sequence": None,
        "usage": anthropic_usage(sketch["usage"]),
    }


_GEMINI_STOPS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "refusal": "SAFETY"}


def gemini_usage(usage: Sketch) -> dict[str, Any]:
    prompt = usage["fresh"] + usage["cached"] + usage["write"]
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": usage["cached"],
        "candidatesTokenCount": usage["text"],
        "thoughtsTokenCount": usage["reasoning"],
        "totalTokenCount": prompt + usage["text"] + usage["reasoning"],
    }


def gemini_chunk(sketch: Sketch, parts: list[Any], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": parts}
    if last:
        candidate["finishReason"] = _GEMINI_STOPS[sketch["stop"]]
    body: dict[str, Any] = {"candidates": [candidate], "modelVersion": "a-model", "responseId": "r1"}
    if last and sketch["usage"]:
        body["usageMetadata"] = gemini_usage(sketch["usage"])
    return body


def gemini_calls(sketch: Sketch) -> list[dict[str, Any]]:
    return [
        {"functionCall": {"id": id_, "name": name, "args": json.loads(arguments)}}
        for id_, name, arguments in sketch["calls"]
    ]


def gemini(sketch: Sketch) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": sketch["thoughts"], "thought": True}] if sketch["thoughts"] else []
    parts += [{"text": sketch["text"]}] if sketch["text"] else []
    return gemini_chunk(sketch, parts + gemini_calls(sketch), last=True)


def ollama_end(sketch: Sketch) -> dict[str, Any]:
    end: dict[str, Any] = {"done": True, "done_reason": "length" if sketch["stop"] == "length" else "stop"}
    if (usage := sketch["usage"]) is not None:
        end |= {
            "prompt_eval_count": usage["fresh"] + usage["cached"] + usage["write"],
            "eval_count": usage["text"] + usage["reasoning"],
        }
    return end


def ollama_line(**message: Any) -> dict[str, Any]:
    return {
        "model": "a-model",
        "created_at": "2026-09-21T14:13:20Z",
        "message": {"role": "assistant", "content": ""} | message,
        "done": False,
    }


def ollama_calls(sketch: Sketch) -> list[dict[str, Any]]:
    return [
        {"id": id_, "function": {"index": place, "name": name, "arguments": json.loads(arguments)}}
        for place, (id_, name, arguments) in enumerate(sketch["calls"])
    ]


def ollama(sketch: Sketch) -> dict[str, Any]:
    message: dict[str, Any] = {"content": sketch["text"]}
    if sketch["thoughts"]:
        message["thinking"] = sketch["thoughts"]
    if sketch["calls"]:
        message["tool_calls"] = ollama_calls(sketch)
    return ollama_line(**message) | ollama_end(sketch)


WHOLE: dict[str, Callable[[Sketch], dict[str, Any]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "ollama": ollama,
}


def whole(name: str, sketch: Sketch) -> bytes:
    return dumps(WHOLE[name](sketch))
