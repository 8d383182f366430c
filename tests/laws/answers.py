"""Answers of every dialect, whole and streamed, from one sketch: what was said, in nobody's words.

The same sketch written both ways is what holds a stream to the answer it amounts to. Streams are legal: in their
dialect's order, deltas cut anywhere, with the pings, comments and unknown events that real ones have.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from values import dumps, good_arguments, json_objects, pieces, texts, words

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


_CHAT_STOPS = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "refusal": "content_filter"}


def openai_chat(sketch: Sketch) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": sketch["text"] or None, "refusal": None}
    if sketch["thoughts"]:
        message["reasoning_content"] = sketch["thoughts"]
    if sketch["calls"]:
        message["tool_calls"] = [
            {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id_, name, arguments in sketch["calls"]
        ]
    choice = {"index": 0, "message": message, "finish_reason": _CHAT_STOPS[sketch["stop"]], "logprobs": None}
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


# ------------------------------------------------------------------------------------------------ streamed


def data_frame(value: Any) -> bytes:
    return b"data: " + dumps(value) + b"\n\n"


def named_frame(value: dict[str, Any]) -> bytes:
    return b"event: " + value["type"].encode() + b"\ndata: " + dumps(value) + b"\n\n"


class Cut:
    """How the deltas of a stream are cut: drawn, or not at all."""

    def __init__(self, draw: st.DrawFn | None) -> None:
        self._draw = draw

    def __call__(self, text: str) -> list[str]:
        if self._draw is None:
            return [text] if text else []
        return self._draw(pieces(text))

    def turns(self, lists: list[list[Any]]) -> list[Any]:
        """Return the items of all lists, each list in its order, the lists taking turns or following each other."""
        if self._draw is None or not self._draw(st.booleans()):
            return [item for items in lists for item in items]
        longest = max(map(len, lists), default=0)
        return [items[place] for place in range(longest) for items in lists if place < len(items)]


def chat_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    def chunk(delta: Any, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return data_frame(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": CREATED,
                "model": "a-model",
                "choices": [choice],
            }
        )

    frames = [chunk({"role": "assistant", "content": "", "refusal": None})]
    frames += [chunk({"reasoning_content": piece}) for piece in cut(sketch["thoughts"])]
    frames += [chunk({"content": piece}) for piece in cut(sketch["text"])]
    by_call = []
    for index, (id_, name, arguments) in enumerate(sketch["calls"]):
        opening: dict[str, Any] = {
            "index": index,
            "id": id_,
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        by_call.append([opening, *({"index": index, "function": {"arguments": piece}} for piece in cut(arguments))])
    frames += [chunk({"tool_calls": [call]}) for call in cut.turns(by_call)]
    frames.append(chunk({}, _CHAT_STOPS[sketch["stop"]]))
    if sketch["usage"]:
        frames.append(
            data_frame(
                {
                    "id": "chatcmpl-1",
                    "object": "chat.completion.chunk",
                    "created": CREATED,
                    "model": "a-model",
                    "choices": [],
                    "usage": chat_usage(sketch["usage"]),
                }
            )
        )
    return [*frames, b"data: [DONE]\n\n"]


def responses_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    events: list[dict[str, Any]] = [
        {"type": kind, "response": responses_envelope(sketch, done=False)}
        for kind in ("response.created", "response.in_progress")
    ]
    for place, item in enumerate(responses_items(sketch)):
        where = {"output_index": place, "item_id": item["id"]}
        if item["type"] == "reasoning":
            begun: dict[str, Any] = item | {"summary": []}
            inner: list[dict[str, Any]] = []
            for part in item["summary"]:
                inner.append(
                    {
                        "type": "response.reasoning_summary_part.added",
                        **where,
                        "summary_index": 0,
                        "part": part | {"text": ""},
                    }
                )
                inner += [
                    {"type": "response.reasoning_summary_text.delta", **where, "summary_index": 0, "delta": piece}
                    for piece in cut(part["text"])
                ]
                inner.append(
                    {"type": "response.reasoning_summary_text.done", **where, "summary_index": 0, "text": part["text"]}
                )
                inner.append(
                    {"type": "response.reasoning_summary_part.done", **where, "summary_index": 0, "part": part}
                )
        elif item["type"] == "message":
            part, begun = item["content"][0], item | {"content": [], "status": "in_progress"}
            inner = [{"type": "response.content_part.added", **where, "content_index": 0, "part": part | {"text": ""}}]
            inner += [
                {"type": "response.output_text.delta", **where, "content_index": 0, "delta": piece, "logprobs": []}
                for piece in cut(part["text"])
            ]
            inner.append(
                {"type": "response.output_text.done", **where, "content_index": 0, "text": part["text"], "logprobs": []}
            )
            inner.append({"type": "response.content_part.done", **where, "content_index": 0, "part": part})
        else:
            begun = item | {"arguments": "", "status": "in_progress"}
            inner = [
                {"type": "response.function_call_arguments.delta", **where, "delta": piece}
                for piece in cut(item["arguments"])
            ]
            inner.append(
                {
                    "type": "response.function_call_arguments.done",
                    **where,
                    "name": item["name"],
                    "arguments": item["arguments"],
                }
            )
        events.append({"type": "response.output_item.added", "output_index": place, "item": begun})
        events += inner
        events.append({"type": "response.output_item.done", "output_index": place, "item": item})
    last = responses_envelope(sketch, done=True)
    events.append({"type": f"response.{last['status']}", "response": last})
    return [named_frame(event | {"sequence_number": number}) for number, event in enumerate(events)]


def anthropic_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    message = anthropic_messages(sketch)
    usage = message["usage"]
    start = message | {
        "content": [],
        "stop_reason": None,
        "usage": {name: value for name, value in usage.items() if "output" not in name},
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(message["content"]):
        deltas: list[dict[str, Any]]
        if block["type"] == "text":
            begun, deltas = (
                block | {"text": ""},
                [{"type": "text_delta", "text": piece} for piece in cut(block["text"])],
            )
        elif block["type"] == "thinking":
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])]
            deltas += [{"type": "signature_delta", "signature": block["signature"]}] if block["signature"] else []
        else:
            arguments = next(arguments for id_, _, arguments in sketch["calls"] if id_ == block["id"])
            begun = block | {"input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *cut(arguments)]]
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events += [{"type": "message_delta", "delta": stop, "usage": usage}, {"type": "message_stop"}]
    return [named_frame(event) for event in events]


def gemini_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in cut(sketch["thoughts"])]
    parts += [{"text": piece} for piece in cut(sketch["text"])] + gemini_calls(sketch)
    chunks = [gemini_chunk(sketch, [part], last=False) for part in parts]
    return [b"data: " + dumps(chunk) + b"\r\n\r\n" for chunk in [*chunks, gemini_chunk(sketch, [], last=True)]]


def ollama_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    lines = [ollama_line(thinking=piece) for piece in cut(sketch["thoughts"])]
    lines += [ollama_line(content=piece) for piece in cut(sketch["text"])]
    lines += [ollama_line(tool_calls=[call]) for call in ollama_calls(sketch)]
    return [dumps(line) + b"\n" for line in [*lines, ollama_line() | ollama_end(sketch)]]


STREAMED: dict[str, Callable[[Sketch, Cut], list[bytes]]] = {
    "openai_chat": chat_frames,
    "openai_responses": responses_frames,
    "anthropic_messages": anthropic_frames,
    "gemini": gemini_frames,
    "ollama": ollama_frames,
}


@st.composite
def frames(draw: st.DrawFn, name: str, sketch: Sketch) -> list[bytes]:
    """Draw the stream of an answer, a frame an item, its deltas cut anywhere."""
    return STREAMED[name](sketch, Cut(draw))


def uncut(name: str, sketch: Sketch) -> list[bytes]:
    return STREAMED[name](sketch, Cut(None))


_NOISE: dict[str, tuple[bytes, ...]] = {
    "openai_chat": (b": keep-alive\n\n", b'data: {"id":"","object":"","created":0,"model":"","choices":[]}\n\n', b"\n"),
    "openai_responses": (b": ping\n\n", b'event: response.new\ndata: {"type":"response.new","sequence_number":1}\n\n'),
    "anthropic_messages": (
        b'event: ping\ndata: {"type":"ping"}\n\n',
        b'event: new\ndata: {"type":"new"}\n\n',
        b":\n\n",
    ),
    "gemini": (b": x\r\n\r\n", b'data: {"modelVersion":"a-model","responseId":"r1"}\r\n\r\n'),
    "ollama": (b"\n", b" \n"),
}


@st.composite
def noisy(draw: st.DrawFn, name: str, frames_: list[bytes]) -> list[bytes]:
    """Draw the same stream with pings, comments and events nobody knows between its frames."""
    found = list(frames_)
    # Gemini's first chunk says what the whole answer is, the model and the tier: nothing without them comes before it.
    first = 1 if name == "gemini" else 0
    for _ in range(draw(st.integers(0, 3)) if len(found) > first else 0):
        found.insert(draw(st.integers(first, len(found) - 1)), draw(st.sampled_from(_NOISE[name])))
    return found


@st.composite
def rechunked(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """Draw a way to cut a stream's bytes."""
    if draw(st.integers(0, 4)) == 0:
        return [stream[place : place + 1] for place in range(len(stream))]
    cuts = sorted(set(draw(st.lists(st.integers(1, max(1, len(stream) - 1)), max_size=5))))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@st.composite
def malformed(draw: st.DrawFn, name: str, streams: st.SearchStrategy[list[bytes]]) -> list[bytes]:
    """Draw a stream of `name` that is wrong: frames missing, doubled, out of order, cut off, or no frames at all."""
    found = list(draw(streams))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(found) - 1)) if found else 0
        match draw(st.sampled_from(("drop", "double", "swap", "cut", "other", "garbage", "flip"))):
            case "drop" if found:
                found.pop(place)
            case "double" if found:
                found.insert(place, found[place])
            case "swap" if len(found) > 1:
                found[place], found[place - 1] = found[place - 1], found[place]
            case "cut" if found:
                found[place] = found[place][: draw(st.integers(0, len(found[place])))]
            case "other":
                other = draw(st.sampled_from(sorted(STREAMED)))
                found.insert(place, draw(st.sampled_from(uncut(other, draw(answers())))))
            case "flip" if found and found[place]:
                raw = bytearray(found[place])
                raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
                found[place] = bytes(raw)
            case _:
                found.insert(
                    place,
                    draw(
                        st.sampled_from(
                            (
                                b"data: {}\n\n",
                                b"data: null\n\n",
                                b"data: []\n\n",
                                b'data: {"error":{}}\n\n',
                                b"{}\n",
                                b"<html>502</html>",
                                b"\xff\xfe\n\n",
                                b"data: 1\n\n",
                                b'{"error":"x"}\n',
                            )
                        )
                    ),
                )
    return found


__all__ = ["answers", "json_objects", "malformed", "noisy", "rechunked", "uncut", "whole"]
