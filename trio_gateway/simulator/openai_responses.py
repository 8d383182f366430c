"""A simulated OpenAI: the Responses API.

Sources: OpenAI's API reference and recorded traffic (2026-08). Nothing is stored: an earlier response's id is taken,
and not looked up.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trio_gateway.simulator.decide import ANY, Asked, OfferedTool, decide, remembered
from trio_gateway.simulator.openai_chat import call_id, error_body, headers_of, ordered
from trio_gateway.simulator.openai_responses_rules import check_responses
from trio_gateway.simulator.reading import characters_of, listed, read_object, required, tag, text_of
from trio_gateway.simulator.reply import EVENT_STREAM, Frame, Reply, Request, Setting, scripted_plain, scripted_stream
from trio_gateway.simulator.script import Rejected, Script, ToolCall, cut

_encode = msgspec.json.Encoder().encode

# What the answer repeats of the request, and what it says where the request says nothing.
_ECHOED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponsesAsked(Asked, kw_only=True):
    echo: dict[str, Any]


def responses(request: Request, setting: Setting) -> Reply:
    """POST /v1/responses."""
    asked, script = _understand(request.body, setting.script, setting.strict)
    headers = headers_of(setting)
    if asked.stream:
        return scripted_stream(
            script,
            EVENT_STREAM,
            headers,
            lambda: _Ladder(asked, script, setting).frames,
            lambda error, before: _failed(asked, setting, error, before),
        )
    return scripted_plain(script, headers, lambda: _encode(_whole(asked, script, setting)), error_body)


@remembered
def _understand(raw: bytes, defaults: Script, strict: bool) -> tuple[ResponsesAsked, Script]:
    body = read_object(raw)
    required(body, "model", str, "Missing required parameter: 'model'.")
    if not isinstance(body.get("input"), str | list) or not body["input"]:
        raise Rejected(400, "Missing required parameter: 'input'.", param="input", kind="missing_required_parameter")
    if strict:
        check_responses(body)
    asked = read_responses(body)
    return asked, decide(asked, defaults)


def read_responses(body: dict[str, Any]) -> ResponsesAsked:
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    texts = [(tag(item, "role"), text_of(item.get("content"))) for item in items if isinstance(item, dict)]
    results: list[str] = []
    for item in reversed(items):
        if tag(item) != "function_call_output":
            break
        results.insert(0, text_of(item.get("output")))
    instructions = tag(body, "instructions") or ""
    choice = body.get("tool_choice")
    offered = [tool for tool in listed(body.get("tools")) if tag(tool) == "function" and choice != "none"]
    return ResponsesAsked(
        model=body["model"],
        stream=body.get("stream") is True,
        system_text="\n".join([instructions, *(text for role, text in texts if role in ("system", "developer"))]),
        user_text=next((text for role, text in reversed(texts) if role == "user"), ""),
        tool_result="\n".join(results) if results else None,
        tools=[OfferedTool(str(tool.get("name")), tool.get("parameters")) for tool in offered],
        forced=ANY if choice == "required" else (tag(choice, "name") or "" if tag(choice) == "function" else ""),
        schema=_schema(body.get("text")),
        characters=characters_of([instructions, given, body.get("tools")]),
        echo={key: body[key] if body.get(key) is not None else default for key, default in _ECHOED.items()},
    )


def _schema(text: Any) -> Any:
    wanted = text.get("format") if isinstance(text, dict) else None
    if isinstance(wanted, dict) and tag(wanted) == "json_schema":
        return wanted.get("schema", True)
    return True if tag(wanted) == "json_object" else None


def _envelope(asked: ResponsesAsked, setting: Setting, status: str) -> dict[str, Any]:
    return {
        "id": f"resp_{setting.number:08d}",
        "object": "response",
        "created_at": setting.now_s,
        "completed_at": setting.now_s if status == "completed" else None,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": asked.model,
        "output": [],
        "service_tier": "default",
        **asked.echo,
        "usage": None,
    }


def _whole(asked: ResponsesAsked, script: Script, setting: Setting) -> dict[str, Any]:
    reason = _INCOMPLETE.get(script.finish)
    prompt, completion = script.prompt_tokens or 0, script.completion_tokens or 0
    return _envelope(asked, setting, "incomplete" if reason else "completed") | {
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [item for item, _ in _items(script, setting)],
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {
                "cached_tokens": script.cached_tokens,
                "cache_write_tokens": script.cache_write_tokens,
            },
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": script.reasoning_tokens},
            "total_tokens": prompt + completion,
        },
    }


def _items(script: Script, setting: Setting) -> list[tuple[dict[str, Any], ToolCall | None]]:
    """Return the output's items, finished; with each call's item the call."""
    status = "incomplete" if script.finish in _INCOMPLETE else "completed"
    items: list[tuple[dict[str, Any], ToolCall | None]] = []
    if script.reasoning or script.signature:
        summary = [{"type": "summary_text", "text": script.reasoning}] if script.reasoning else []
        thought: dict[str, Any] = {"id": f"rs_{setting.number:08d}", "type": "reasoning", "summary": summary}
        if script.signature:
            thought["encrypted_content"] = script.signature
        items.append((thought, None))
    if script.refusal or script.text:
        part: dict[str, Any] = (
            {"type": "refusal", "refusal": script.refusal}
            if script.refusal
            else {"type": "output_text", "text": script.text, "annotations": [], "logprobs": []}
        )
        message = {"id": f"msg_{setting.number:08d}", "type": "message", "status": status, "role": "assistant"}
        items.append((message | {"content": [part]}, None))
    for at, call in enumerate(script.tool_calls):
        item = {
            "id": f"fc_{setting.number:08d}{at:02d}",
            "type": "function_call",
            "status": status,
            "call_id": call_id(setting, at),
            "name": call.name,
            "arguments": call.arguments,
        }
        items.append((item, call))
    return items


def _event(kind: str, number: int, members: dict[str, Any]) -> bytes:
    data = _encode({"type": kind, "sequence_number": number, **members})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


class _Ladder:
    """Writes the events of one stream, each item from `added` over its parts to `done`."""

    def __init__(self, asked: ResponsesAsked, script: Script, setting: Setting) -> None:
        self.frames: list[Frame] = []
        self._script = script
        begun = _envelope(asked, setting, "in_progress")
        self._say("response.created", response=begun)
        self._say("response.in_progress", response=begun)
        calls: list[tuple[int, dict[str, Any], ToolCall]] = []
        for at, (item, call) in enumerate(_items(script, setting)):
            if call is not None:
                calls.append((at, item, call))
            elif item["type"] == "reasoning":
                self._reasoning(at, item)
            else:
                self._message(at, item)
        self._calls(calls)
        whole = _whole(asked, script, setting)
        self._say(f"response.{whole['status']}", response=whole)

    def _say(self, kind: str, *, is_delta: bool = False, **members: Any) -> None:
        self.frames.append((_event(kind, len(self.frames), members), is_delta))

    def _reasoning(self, at: int, item: dict[str, Any]) -> None:
        place = {"item_id": item["id"], "output_index": at, "summary_index": 0}
        self._say("response.output_item.added", output_index=at, item=item | {"summary": []})
        if item["summary"]:
            [part] = item["summary"]
            self._say("response.reasoning_summary_part.added", **place, part=part | {"text": ""})
            for piece in cut(part["text"], self._script.chunks):
                self._say("response.reasoning_summary_text.delta", is_delta=True, **place, delta=piece)
            self._say("response.reasoning_summary_text.done", **place, text=part["text"])
            self._say("response.reasoning_summary_part.done", **place, part=part)
        self._say("response.output_item.done", output_index=at, item=item)

    def _message(self, at: int, item: dict[str, Any]) -> None:
        [part] = item["content"]
        place = {"item_id": item["id"], "output_index": at, "content_index": 0}
        key = "refusal" if part["type"] == "refusal" else "text"
        kind = "response.refusal" if key == "refusal" else "response.output_text"
        extra: dict[str, Any] = {} if key == "refusal" else {"logprobs": []}
        begun = item | {"content": [], "status": "in_progress"}
        self._say("response.output_item.added", output_index=at, item=begun)
        self._say("response.content_part.added", **place, part=part | {key: ""})
        for piece in cut(part[key], self._script.chunks):
            self._say(f"{kind}.delta", is_delta=True, **place, delta=piece, **extra)
        self._say(f"{kind}.done", **place, **{key: part[key]}, **extra)
        self._say("response.content_part.done", **place, part=part)
        self._say("response.output_item.done", output_index=at, item=item)

    def _calls(self, calls: list[tuple[int, dict[str, Any], ToolCall]]) -> None:
        """One call after the other; or all opened first, their deltas in turns, and all closed."""
        rounds = [calls] if self._script.interleave else [[one] for one in calls]
        for together in rounds:
            for at, item, _ in together:
                begun = item | {"arguments": "", "status": "in_progress"}
                self._say("response.output_item.added", output_index=at, item=begun)
            pieces = [
                [(at, item["id"], piece) for piece in cut(call.arguments, self._script.fragments)]
                for at, item, call in together
            ]
            for at, item_id, piece in ordered(pieces, interleave=True):
                place = {"item_id": item_id, "output_index": at}
                self._say("response.function_call_arguments.delta", is_delta=True, **place, delta=piece)
            for at, item, call in together:
                place = {"item_id": item["id"], "output_index": at, "name": call.name}
                self._say("response.function_call_arguments.done", **place, arguments=call.arguments)
                self._say("response.output_item.done", output_index=at, item=item)


def _failed(asked: ResponsesAsked, setting: Setting, error: Rejected, before: int) -> bytes:
    """Return the two events that end a stream which broke: `error`, and the response as failed."""
    code = error.kind or "server_error"
    flat = {"code": code, "message": error.message, "param": None}
    failed = _envelope(asked, setting, "failed") | {"error": {"code": code, "message": error.message}}
    return _event("error", before, flat) + _event("response.failed", before + 1, {"response": failed})
