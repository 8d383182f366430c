"""Short words for the cases: chat(...) and the like make bodies, sent(...) translates one."""

from __future__ import annotations

import json
from typing import Any

from answers import CREATED
from trips import ANY, carry, decode_stream, encode_stream
from values import dumps

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Answer
from trio_gateway.dialects.events import AnswerEvent, fold

FOREIGN = ("openai_responses", "anthropic_messages", "gemini", "ollama")  # to a client of Chat
MODEL = "a-model"
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PNG_URL = f"data:image/png;base64,{PNG}"
DONE = b"data: [DONE]\n\n"
USER = {"role": "user", "content": "hi"}


def chat(*messages: Any, **fields: Any) -> bytes:
    return dumps({"model": MODEL, "messages": list(messages), **fields})


def chat_call(id_: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def chat_result(id_: str, text: str = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def function(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


def anthropic(*messages: Any, **fields: Any) -> bytes:
    return dumps({"model": MODEL, "max_tokens": 9000, "messages": list(messages), **fields})


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def block(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def responses(*items: Any, **fields: Any) -> bytes:
    return dumps({"model": MODEL, "input": list(items), **fields})


def gemini(*contents: Any, **fields: Any) -> bytes:
    return dumps({"contents": list(contents), **fields})


def sent(body: bytes, source: str, target: str, **can: Any) -> tuple[dict[str, Any], list[str]]:
    """Return what the target is sent, and the pointers of the losses."""
    trip = carry(body, source, target, Capabilities(**can) if can else ANY)
    return json.loads(trip.body), [loss.pointer for loss in trip.losses]


def returned(body: bytes, source: str, over: str) -> dict[str, Any]:
    """Return what a body is after a trip there and back."""
    found: dict[str, Any] = json.loads(carry(body, source, over).back(source).body)
    return found


# ------------------------------------------------------------------------------------------------- streams


def event(value: Any) -> bytes:
    return b"data: " + dumps(value) + b"\n\n"


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": MODEL,
            "choices": [choice],
            **fields,
        }
    )


def call_delta(
    index: int | None, id_: str | None = None, name: str | None = None, arguments: str | None = None
) -> dict[str, Any]:
    inner = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    outer = {"index": index, "id": id_, "function": inner}
    return {key: value for key, value in outer.items() if value is not None}


def chat_calls(*fragments: list[dict[str, Any]], finish: str = "tool_calls") -> list[bytes]:
    return [*(chunk({"tool_calls": fragment}) for fragment in fragments), chunk(finish=finish), DONE]


def anthropic_stream(
    *blocks: tuple[dict[str, Any], list[dict[str, Any]]], stop: str = "end_turn", usage: Any = None
) -> list[bytes]:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 3},
    }
    frames = [named({"type": "message_start", "message": message})]
    for index, (begun, deltas) in enumerate(blocks):
        frames.append(named({"type": "content_block_start", "index": index, "content_block": begun}))
        frames += [named({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        frames.append(named({"type": "content_block_stop", "index": index}))
    frames.append(
        named({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage or {"output_tokens": 1}})
    )
    return [*frames, named({"type": "message_stop"})]


def named(value: dict[str, Any]) -> bytes:
    return b"event: " + value["type"].encode() + b"\n" + event(value)


def text_block(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": text}]


def folded(name: str, frames: list[bytes]) -> Answer:
    return fold(decode_stream(name, frames), name)


def told(source: str, target: str, frames: list[bytes]) -> Answer:
    """Return what a client of `target` makes of a stream of `source`."""
    return fold(decode_stream(target, [encode_stream(target, decode_stream(source, frames))]), target)


def last(name: str, frames: list[bytes]) -> AnswerEvent:
    return decode_stream(name, frames)[-1]


def calls_of(answer: Answer) -> list[tuple[str, str]]:
    return [(part.name, part.arguments) for part in answer.choices[0].parts if type(part).__name__ == "ToolCall"]  # type: ignore[union-attr]  # of calls


def text_of(answer: Answer) -> str:
    return "".join(part.text for part in answer.choices[0].parts if type(part).__name__ == "Text")  # type: ignore[union-attr]  # of texts
