"""What clients do with answers: put a stream together, and send an answer back in the next request.

Done the way the vendors' own libraries do it, by the documented shape of the wire and not by the code that is tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from trips import MODEL
from values import dumps

Body = dict[str, Any]

# --------------------------------------------------------------------------------------- streams, put together


def _events(stream: bytes) -> Iterator[Body]:
    for line in stream.replace(b"\r\n", b"\n").split(b"\n"):
        data = line.removeprefix(b"data: ")
        if data.startswith(b"{"):
            yield json.loads(data)


def _chat(stream: bytes) -> Body:
    message: Body = {"role": "assistant", "content": None}
    calls: dict[int, Body] = {}
    for chunk in _events(stream):
        for choice in chunk["choices"]:
            if choice["index"] == 0:
                _add_delta(message, calls, choice["delta"])
    return {**message, **({"tool_calls": [calls[index] for index in sorted(calls)]} if calls else {})}


def _add_delta(message: Body, calls: dict[int, Body], delta: Body) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            for fragment in value:
                _add_fragment(calls.setdefault(fragment["index"], {}), fragment)
        elif name != "role":
            message[name] = value if message.get(name) is None else message[name] + (value or type(message[name])())


def _add_fragment(call: Body, fragment: Body) -> None:
    for name, value in fragment.items():
        if name in ("function", "custom"):
            inner = call.setdefault(name, {})
            for key, text in value.items():
                inner[key] = inner.get(key, "") + (text or "")
        elif name != "index" and value is not None:
            call[name] = value


def _responses(stream: bytes) -> Body:
    output: Body = list(_events(stream))[-1]["response"]
    return output


def _anthropic(stream: bytes) -> Body:
    blocks: list[Body] = []
    for event in _events(stream):
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"], "partial_json": ""})
        elif event["type"] == "content_block_delta":
            for name, piece in event["delta"].items():
                if name == "citation":
                    blocks[-1].setdefault("citations", []).append(piece)
                elif name != "type":
                    blocks[-1][name] = blocks[-1].get(name, "") + piece
    for block in blocks:
        arguments = block.pop("partial_json")
        if block["type"] == "tool_use" and arguments:
            block["input"] = _object(arguments)
    return {"content": blocks}


def _object(arguments: str) -> Body:
    """Return a call's arguments. What is no object, or was cut off, is as good as none, as it is to the library."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _gemini(stream: bytes) -> Body:
    parts = [
        part
        for chunk in _events(stream)
        for candidate in chunk["candidates"]
        if candidate["index"] == 0
        for part in candidate.get("content", {}).get("parts", ())
    ]
    return {"content": {"role": "model", "parts": parts}}


def _ollama(stream: bytes) -> Body:
    message: Body = {"role": "assistant", "content": "", "thinking": "", "tool_calls": []}
    for line in _events(stream):
        for name in ("content", "thinking", "tool_calls"):
            message[name] += line["message"].get(name) or type(message[name])()
    return message


_FROM_STREAM: dict[str, Callable[[bytes], Body]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}
_FROM_WHOLE: dict[str, Callable[[Body], Body]] = {
    "openai_chat": lambda body: body["choices"][0]["message"],
    "openai_responses": lambda body: body,
    "anthropic_messages": lambda body: body,
    "gemini": lambda body: body["candidates"][0],
    "ollama": lambda body: body["message"],
}


def kept(client: str, answer: bytes, *, stream: bool) -> Body:
    """Return what a client keeps of the first choice of an answer."""
    return _FROM_STREAM[client](answer) if stream else _FROM_WHOLE[client](json.loads(answer))


# -------------------------------------------------------------------------------------------- the next request


def _next_chat(message: Body) -> Body:
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in message.get("tool_calls", ())]
    return {"messages": [_USER, message, *results, _USER]}


def _next_responses(response: Body) -> Body:
    results = [
        {"type": item["type"] + "_output", "call_id": item["call_id"], "output": "x"}
        for item in response["output"]
        if item["type"] in ("function_call", "custom_tool_call")
    ]
    return {"input": [_USER, *response["output"], *results, _USER]}


def _next_anthropic(message: Body) -> Body:
    results: list[Body] = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "x"}
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    said = [{"role": "assistant", "content": message["content"]}] if message["content"] else []
    last = {"role": "user", "content": [*results, {"type": "text", "text": "go on"}]}
    return {"max_tokens": 9000, "messages": [_USER, *said, last]}


def _next_gemini(candidate: Body) -> Body:
    content = candidate["content"]
    calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
    results: list[Body] = [
        {"functionResponse": {**call, "response": {"output": "x"}}}
        for call in ({key: value for key, value in call.items() if key != "args"} for call in calls)
    ]
    user: Body = {"role": "user", "parts": [{"text": "hi"}]}
    return {"contents": [user, content, *([{"role": "user", "parts": results}] if results else []), user]}


def _next_ollama(message: Body) -> Body:
    results = [
        {"role": "tool", "tool_name": call["function"]["name"], "content": "x"}
        for call in message.get("tool_calls") or ()
    ]
    return {"messages": [_USER, message, *results, _USER]}


_USER: Body = {"role": "user", "content": "hi"}
_NEXT: dict[str, Callable[[Body], Body]] = {
    "openai_chat": _next_chat,
    "openai_responses": _next_responses,
    "anthropic_messages": _next_anthropic,
    "gemini": _next_gemini,
    "ollama": _next_ollama,
}


def next_request(client: str, answer: Body) -> bytes:
    """Return the request that goes on after an answer: with it, its calls answered, and one more turn."""
    return dumps(({} if client == "gemini" else {"model": MODEL}) | _NEXT[client](answer))
