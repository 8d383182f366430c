"""The answers of answers.py as streams: the same sketch written both ways holds a stream to the answer it amounts to.

Streams are legal: in their dialect's order, deltas cut anywhere, with the pings, comments and unknown events that real
ones have; but for those that `malformed` draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from answers import (
    CHAT_STOPS,
    CREATED,
    Sketch,
    answers,
    anthropic_messages,
    chat_usage,
    gemini_calls,
    gemini_chunk,
    ollama_calls,
    ollama_end,
    ollama_line,
    responses_envelope,
    responses_items,
)
from hypothesis import strategies as st
from values import dumps, pieces


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
    frames.append(chunk({}, CHAT_STOPS[sketch["stop"]]))
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
