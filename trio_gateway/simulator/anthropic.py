"""A simulated Anthropic: Messages, count_tokens and Models.

Sources: Anthropic's API reference, its SDK's types (2.12) and recorded traffic.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trio_gateway.simulator.anthropic_rules import VERSIONS, check_messages
from trio_gateway.simulator.decide import ANY, Asked, OfferedTool, decide, remembered
from trio_gateway.simulator.openai_chat import retry_headers
from trio_gateway.simulator.reading import as_object, characters_of, read_object, required, text_of
from trio_gateway.simulator.reply import (
    EVENT_STREAM,
    Frame,
    Reply,
    Request,
    Setting,
    plain,
    scripted_plain,
    scripted_stream,
)
from trio_gateway.simulator.script import Rejected, Script, cut

_encode = msgspec.json.Encoder().encode

DEFAULT_MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_HEADERS = (
    b"request-id: req_%08d\r\nanthropic-organization-id: org_simulated\r\n"
    b"anthropic-ratelimit-requests-limit: 4000\r\nanthropic-ratelimit-requests-remaining: 3999\r\n"
    b"anthropic-ratelimit-requests-reset: 2030-01-01T00:00:00Z\r\n"
)


def messages(request: Request, setting: Setting) -> Reply:
    """POST /v1/messages."""
    version, beta = _version_and_beta(request)
    asked, script = _understand(request.body, version, beta, setting.script, setting.strict)
    headers = headers_of(setting)
    if asked.stream:
        return scripted_stream(
            script,
            EVENT_STREAM,
            headers,
            lambda: _events(asked, script, setting),
            lambda error, _: _event(b"error", _error_object(error, setting)),
        )
    return scripted_plain(
        script, headers, lambda: _message(asked, script, setting), lambda error: _error_object(error, setting)
    )


def count_tokens(request: Request, setting: Setting) -> Reply:
    """POST /v1/messages/count_tokens."""
    version, beta = _version_and_beta(request)
    body = _checked(request.body, version, beta, setting.strict, counting=True)
    asked = read_messages(body)
    return plain(b'{"input_tokens":%d}' % max(1, asked.characters // 4), headers_of(setting))


@remembered
def _understand(body: bytes, version: str, beta: bool, defaults: Script, strict: bool) -> tuple[Asked, Script]:
    asked = read_messages(_checked(body, version, beta, strict, counting=False))
    return asked, decide(asked, defaults)


def _version_and_beta(request: Request) -> tuple[str, bool]:
    version = request.headers.get(b"anthropic-version", b"").decode("latin-1")
    if not version:
        raise Rejected(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise Rejected(400, f'anthropic-version: "{version}" is not a valid version')
    return version, b"anthropic-beta" in request.headers or "beta=true" in request.query


def _checked(raw: bytes, version: str, beta: bool, strict: bool, *, counting: bool) -> dict[str, Any]:
    body = read_object(raw)
    required(body, "model", str, "model: Field required")
    required(body, "messages", list, "messages: at least one message is required")
    if strict:
        check_messages(body, version, beta=beta, counting=counting)
    return body


def read_messages(body: dict[str, Any]) -> Asked:
    turns = [turn for turn in body["messages"] if isinstance(turn, dict)]
    users = [turn.get("content") for turn in turns if turn.get("role") == "user"]
    texts = [text for content in users if (text := text_of(content))]
    system = [
        text_of(body.get("system")),
        *(text_of(one.get("content")) for one in turns if one.get("role") == "system"),
    ]
    choice = choice if isinstance(choice := body.get("tool_choice"), dict) else {}
    tools = tools if isinstance(tools := body.get("tools"), list) else []
    return Asked(
        model=body["model"],
        stream=body.get("stream") is True,
        system_text="\n".join(system),
        user_text=texts[-1] if texts else "",
        tool_result=_result(users[-1]) if users else None,
        tools=[]
        if choice.get("type") == "none"
        else [OfferedTool(str(tool.get("name")), tool.get("input_schema")) for tool in tools if isinstance(tool, dict)],
        forced={"any": ANY, "tool": str(choice.get("name"))}.get(str(choice.get("type")), ""),
        schema=_schema(body.get("output_config")),
        characters=characters_of([body.get("system"), body["messages"], body.get("tools")]),
    )


def _result(content: Any) -> str | None:
    """Return what the tools said, when a user message holds their results and no text beside them."""
    blocks = content if isinstance(content, list) and not text_of(content) else []
    results = [block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]
    return "\n".join(text_of(block.get("content")) for block in results) if results else None


def _schema(wanted: Any) -> Any:
    described = wanted.get("format") if isinstance(wanted, dict) else None
    return described.get("schema") if isinstance(described, dict) else None


def _usage(script: Script, output_tokens: int) -> dict[str, Any]:
    cached, written = script.cached_tokens, script.cache_write_tokens
    return {
        "input_tokens": max(0, (script.prompt_tokens or 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": script.reasoning_tokens},
    }


def _start_usage(script: Script, output_tokens: int) -> dict[str, Any]:
    split = {"ephemeral_5m_input_tokens": script.cache_write_tokens, "ephemeral_1h_input_tokens": 0}
    return _usage(script, output_tokens) | {"cache_creation": split, "service_tier": "standard"}


def _ending(script: Script) -> dict[str, Any]:
    reason = _STOP_REASONS.get(script.finish_word, script.finish_word)
    if script.refusal and not script.finish:
        reason = "refusal"
    details = None
    if reason == "refusal":
        details = {"type": "refusal", "category": None, "explanation": script.refusal or None}
    return {"stop_reason": reason, "stop_sequence": None, "stop_details": details}


def _thinks(script: Script) -> bool:
    return bool(script.reasoning or script.signature)


def _signature(script: Script, setting: Setting) -> str:
    return script.signature or f"simulated-signature-{setting.number}"


def tool_id(setting: Setting, at: int) -> str:
    return f"toolu_{setting.number:08d}{at:02d}"


def _message(asked: Asked, script: Script, setting: Setting) -> bytes:
    content: list[Any] = []
    if _thinks(script):
        content.append({"type": "thinking", "thinking": script.reasoning, "signature": _signature(script, setting)})
    if script.text:
        content.append({"type": "text", "text": script.text, "citations": None})
    for at, call in enumerate(script.tool_calls):
        arguments = msgspec.Raw(as_object(call.arguments))
        content.append({"type": "tool_use", "id": tool_id(setting, at), "name": call.name, "input": arguments})
    return _encode(
        {
            "id": f"msg_{setting.number:08d}",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": content,
            **_ending(script),
            "usage": _start_usage(script, script.completion_tokens or 0),
        }
    )


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)


def _delta(at: int, kind: bytes, key: bytes, text: str) -> bytes:
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
        % (
            at,
            kind,
            key,
            _encode(text),
        )
    )


def _events(asked: Asked, script: Script, setting: Setting) -> list[Frame]:
    start = {
        "type": "message_start",
        "message": {
            "id": f"msg_{setting.number:08d}",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": _start_usage(script, 1),
        },
    }
    frames: list[Frame] = [
        (_event(b"message_start", _encode(start)), False),
        (_event(b"ping", b'{"type":"ping"}'), False),
    ]
    for at, (block, deltas) in enumerate(_streamed_blocks(script, setting)):
        opening = b'{"type":"content_block_start","index":%d,"content_block":%b}' % (at, _encode(block))
        frames.append((_event(b"content_block_start", opening), False))
        frames += [(_delta(at, *delta), True) for delta in deltas]
        frames.append((_event(b"content_block_stop", b'{"type":"content_block_stop","index":%d}' % at), False))
    ending = {"type": "message_delta", "delta": _ending(script), "usage": _usage(script, script.completion_tokens or 0)}
    frames.append((_event(b"message_delta", _encode(ending)), False))
    frames.append((_event(b"message_stop", b'{"type":"message_stop"}'), False))
    return frames


def _streamed_blocks(script: Script, setting: Setting) -> list[tuple[dict[str, Any], list[tuple[bytes, bytes, str]]]]:
    """Return each block as it starts, and its deltas: their type, their key and their text."""
    blocks: list[tuple[dict[str, Any], list[tuple[bytes, bytes, str]]]] = []
    if _thinks(script):
        thoughts = [(b"thinking_delta", b"thinking", piece) for piece in cut(script.reasoning, script.chunks)]
        sign = (b"signature_delta", b"signature", _signature(script, setting))
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, sign]))
    if script.text:
        pieces = [(b"text_delta", b"text", piece) for piece in cut(script.text, script.chunks)]
        blocks.append(({"type": "text", "text": "", "citations": None}, pieces))
    for at, call in enumerate(script.tool_calls):
        # A call without arguments sends one empty delta: the pieces add up to "", which stands for {}.
        fragments = cut("" if call.arguments == "{}" else call.arguments, script.fragments) or ("",)
        block = {"type": "tool_use", "id": tool_id(setting, at), "name": call.name, "input": {}}
        blocks.append((block, [(b"input_json_delta", b"partial_json", piece) for piece in fragments]))
    return blocks


def headers_of(setting: Setting) -> bytes:
    return _HEADERS % setting.number


def _error_object(error: Rejected, setting: Setting) -> bytes:
    kind = error.kind or _ERRORS.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    body: dict[str, Any] = {"type": kind, "message": error.message}
    if error.code:
        body["details"] = {"error_code": error.code}
    return _encode({"type": "error", "error": body, "request_id": f"req_{setting.number:08d}"})


def reject(error: Rejected, setting: Setting) -> Reply:
    """Return the error as Anthropic writes it."""
    headers = headers_of(setting)
    if error.retry_after_s is not None:
        headers += retry_headers(error.retry_after_s)
    return plain(_error_object(error, setting), headers, status=error.status)


def models(request: Request, setting: Setting) -> Reply:
    """GET /v1/models, and GET /v1/models/{model}."""
    rows = [_model(name) for name in setting.models]
    wanted = request.path.removeprefix("/v1/models").removeprefix("/")
    if wanted:
        found = [row for row in rows if row["id"] == wanted]
        if not found:
            raise Rejected(404, f"model: {wanted}")
        return plain(_encode(found[0]), headers_of(setting))
    page = {
        "data": rows,
        "has_more": False,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
    }
    return plain(_encode(page), headers_of(setting))


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "deprecated_at": None,
        "lifecycle": "active",
        "line": None,
        "capabilities": None,
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }
