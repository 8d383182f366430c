"""A simulated Ollama: chat, generate, embed, tags, show, version.

Source: Ollama's api/types.go and server/routes.go (2026-08); its openapi.yaml is incomplete.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from trio_gateway.simulator.decide import Asked, OfferedTool, decide, remembered
from trio_gateway.simulator.embeddings import MAX_DIMENSIONS, vector
from trio_gateway.simulator.reading import as_object, characters_of, is_base64, listed, read_object, required
from trio_gateway.simulator.reply import (
    NDJSON,
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

DEFAULT_MODELS = ("llama4:latest", "qwen3:8b", "nomic-embed-text:latest")
VERSION = "0.14.0"

_NO_HEADERS = b""
_THINK_LEVELS = frozenset({"low", "medium", "high", "max"})
_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "8.0B",
    "quantization_level": "Q4_K_M",
}


class OllamaAsked(Asked, kw_only=True):
    loads: bool = False
    """Nothing to answer: the model is only loaded, or unloaded."""
    unloads: bool = False


def chat(request: Request, setting: Setting) -> Reply:
    """POST /api/chat."""
    asked, script = _understand_chat(request.body, setting.script, setting.strict)
    return _answer(asked, script, setting, in_message=True)


@remembered
def _understand_chat(raw: bytes, defaults: Script, strict: bool) -> tuple[OllamaAsked, Script]:
    body = _read(raw)
    if strict:
        _check_chat(body)
    messages = [message for message in listed(body.get("messages")) if isinstance(message, dict)]
    texts = [(message.get("role"), str(message.get("content") or "")) for message in messages]
    asked = _asked(
        body,
        system_text="\n".join(text for role, text in texts if role == "system"),
        user_text=next((text for role, text in reversed(texts) if role == "user"), ""),
        tool_result=texts[-1][1] if texts and texts[-1][0] == "tool" else None,
        loads=not messages,
        characters=sum(len(text) for _, text in texts) + characters_of([body.get("tools")]),
    )
    return asked, decide(asked, defaults)


def generate(request: Request, setting: Setting) -> Reply:
    """POST /api/generate."""
    body = _read(request.body)
    prompt, system = body.get("prompt") or "", body.get("system") or ""
    if not isinstance(prompt, str) or not isinstance(system, str):
        raise _bad("json: cannot unmarshal array into Go struct field GenerateRequest.prompt of type string")
    _check_common(body)
    asked = _asked(
        body,
        system_text=system,
        user_text=prompt,
        tool_result=None,
        loads=not prompt,
        characters=len(prompt) + len(system),
    )
    return _answer(asked, decide(asked, setting.script), setting, in_message=False)


def _read(raw: bytes) -> dict[str, Any]:
    body = read_object(raw)
    required(body, "model", str, "model is required")
    return body


def _asked(
    body: dict[str, Any], *, system_text: str, user_text: str, tool_result: str | None, loads: bool, characters: int
) -> OllamaAsked:
    tools = [tool["function"] for tool in listed(body.get("tools")) if isinstance(tool, dict) and "function" in tool]
    wanted = body.get("format")
    return OllamaAsked(
        model=body["model"],
        stream=body.get("stream") is not False,
        system_text=system_text,
        user_text=user_text,
        tool_result=tool_result,
        tools=[OfferedTool(str(tool.get("name")), tool.get("parameters")) for tool in tools if isinstance(tool, dict)],
        schema=wanted if isinstance(wanted, dict) else (True if wanted == "json" else None),
        characters=characters,
        loads=loads,
        unloads=loads and body.get("keep_alive") in (0, "0", "0s"),
    )


def _check_chat(body: dict[str, Any]) -> None:
    """Refuse what does not decode into Ollama's Go structs."""
    _check_common(body)
    for message in _list(body, "messages", "[]api.Message"):
        if not isinstance(message, dict):
            raise _unmarshal(message, "messages", "api.Message")
        for field in ("role", "content", "thinking", "tool_name", "tool_call_id"):
            if not isinstance(message.get(field), str | None):
                raise _unmarshal(message[field], f"messages.{field}", "string")
        for image in _list(message, "images", "[]api.ImageData"):
            if not is_base64(image):
                raise _bad("illegal base64 data at input byte 4")
        for call in _list(message, "tool_calls", "[]api.ToolCall"):
            _check_call(call)
    for tool in _list(body, "tools", "api.Tools"):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _unmarshal(function, "tools.function", "api.ToolFunction")
        if not isinstance(function.get("parameters"), dict | None):
            raise _unmarshal(function["parameters"], "tools.function.parameters", "api.ToolFunctionParameters")


def _list(parent: dict[str, Any], field: str, go_type: str) -> list[Any]:
    value = parent.get(field)
    if not isinstance(value, list | None):
        raise _unmarshal(value, field, go_type)
    return value or []


def _check_call(call: Any) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise _unmarshal(function, "messages.tool_calls.function", "api.ToolCallFunction")
    if not isinstance(function.get("arguments"), dict | None):
        raise _unmarshal(
            function["arguments"], "messages.tool_calls.function.arguments", "api.ToolCallFunctionArguments"
        )
    if not isinstance(function.get("index", 0), int):
        raise _unmarshal(function["index"], "messages.tool_calls.function.index", "int")


def _check_common(body: dict[str, Any]) -> None:
    think = body.get("think")
    if not (isinstance(think, bool | None) or (isinstance(think, str) and think in _THINK_LEVELS)):
        raise _bad(f'invalid think value: {think!r} (must be "high", "medium", "low", "max", true, or false)')
    if not isinstance(body.get("options"), dict | None):
        raise _unmarshal(body["options"], "options", "map[string]interface {}")
    if not isinstance(body.get("stream"), bool | None):
        raise _unmarshal(body["stream"], "stream", "bool")
    wanted = body.get("format")
    if not (isinstance(wanted, dict | None) or wanted in ("json", "")):
        raise _bad(f'invalid format: {wanted!r}; expected "json" or a valid JSON Schema object')
    for name, value in (body.get("options") or {}).items():
        if name in ("num_predict", "top_k", "seed", "num_ctx") and not isinstance(value, int | float):
            raise _bad(f'option "{name}" must be of type integer')
        if name in ("temperature", "top_p", "min_p") and not isinstance(value, int | float):
            raise _bad(f'option "{name}" must be of type float32')
        if name == "stop" and not isinstance(value, list):
            raise _bad('option "stop" must be of type array')


def _unmarshal(value: Any, field: str, go_type: str) -> Rejected:
    kinds = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    kind = kinds.get(type(value), "null")
    return _bad(f"json: cannot unmarshal {kind} into Go struct field ChatRequest.{field} of type {go_type}")


def _bad(message: str) -> Rejected:
    return Rejected(400, message)


def _answer(asked: OllamaAsked, script: Script, setting: Setting, *, in_message: bool) -> Reply:
    if asked.loads:
        return _loaded(asked, setting, in_message=in_message)
    pen = _Pen(asked, script, setting, in_message=in_message)
    if asked.stream:
        return scripted_stream(script, NDJSON, _NO_HEADERS, pen.lines, lambda error, _: error_body(error) + b"\n")
    return scripted_plain(script, _NO_HEADERS, pen.whole, error_body)


class _Pen:
    """Writes one answer, of chat or of generate."""

    def __init__(self, asked: OllamaAsked, script: Script, setting: Setting, *, in_message: bool) -> None:
        self._script = script
        self._setting = setting
        self._in_message = in_message
        self._start = b'{"model":%b,"created_at":"%b",' % (_encode(asked.model), _timestamp(setting.now_s))

    def whole(self) -> bytes:
        script = self._script
        calls = b",".join(self._calls())
        return self._line(script.refusal or script.text or "", script.reasoning, calls, self._end())

    def lines(self) -> list[Frame]:
        script, going_on = self._script, b',"done":false}'
        frames = [
            (self._line("", piece, b"", going_on) + b"\n", True) for piece in cut(script.reasoning, script.chunks)
        ]
        text = script.refusal or script.text or ""
        frames += [(self._line(piece, "", b"", going_on) + b"\n", True) for piece in cut(text, script.chunks)]
        frames += [(self._line("", "", call, going_on) + b"\n", True) for call in self._calls()]
        frames.append((self._line("", "", b"", self._end()) + b"\n", False))
        return frames

    def _line(self, content: str, thinking: str, calls: bytes, end: bytes) -> bytes:
        if self._in_message:
            body = b'"message":{"role":"assistant","content":%b' % _encode(content)
        else:
            body = b'"response":%b' % _encode(content)
        if thinking:
            body += b',"thinking":%b' % _encode(thinking)
        if calls:
            body += b',"tool_calls":[%b]' % calls
        return self._start + body + (b"}" if self._in_message else b"") + end

    def _calls(self) -> list[bytes]:
        return [
            b'{"id":"call_%08d%02d","function":{"index":%d,"name":%b,"arguments":%b}}'
            % (self._setting.number, at, at, _encode(call.name), as_object(call.arguments))
            for at, call in enumerate(self._script.tool_calls)
        ]

    def _end(self) -> bytes:
        """Return the members of the last line; counts of zero are left out, as Go's omitempty does."""
        # The reason stays "stop" when tools were called.
        reason = {"tool_calls": "stop", "content_filter": "stop"}.get(
            self._script.finish_word, self._script.finish_word
        )
        members: dict[str, Any] = {"done": True, "done_reason": reason, "total_duration": 7_000_000}
        members |= {"load_duration": 1_000_000}
        if self._script.prompt_tokens:
            members |= {"prompt_eval_count": self._script.prompt_tokens, "prompt_eval_duration": 2_000_000}
        if self._script.completion_tokens:
            members |= {"eval_count": self._script.completion_tokens, "eval_duration": 4_000_000}
        return b"," + _encode(members)[1:]


def _loaded(asked: OllamaAsked, setting: Setting, *, in_message: bool) -> Reply:
    content: dict[str, Any] = {"message": {"role": "assistant", "content": ""}} if in_message else {"response": ""}
    body = _encode(
        {
            "model": asked.model,
            "created_at": _timestamp(setting.now_s).decode(),
            **content,
            "done": True,
            "done_reason": "unload" if asked.unloads else "load",
        }
    )
    return plain(body)


def _timestamp(now_s: int) -> bytes:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000001Z").encode()


def error_body(error: Rejected) -> bytes:
    return _encode({"error": f"{error.message}" if not error.kind else f"{error.kind}: {error.message}"})


def reject(error: Rejected, setting: Setting) -> Reply:
    """Return the error as Ollama writes it."""
    if error.status == 401:
        return plain(
            _encode({"error": "unauthorized", "signin_url": "https://ollama.com/connect"}), _NO_HEADERS, status=401
        )
    return plain(error_body(error), _NO_HEADERS, status=error.status)


def embed(request: Request, setting: Setting) -> Reply:
    """POST /api/embed."""
    body = _read(request.body)
    texts = body.get("input", "")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _bad("invalid input type")
    dimensions = body.get("dimensions") or 8
    if type(dimensions) is not int or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise _bad("invalid dimensions")
    answer = {
        "model": body["model"],
        "embeddings": [vector(text, dimensions) for text in texts if text],
        "total_duration": 3_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": sum(max(1, len(text) // 4) for text in texts),
    }
    return plain(_encode(answer))


def tags(request: Request, setting: Setting) -> Reply:
    """GET /api/tags."""
    rows = [
        {
            "name": name,
            "model": name,
            "modified_at": "2026-01-01T00:00:00Z",
            "size": 4_000_000_000,
            "digest": f"{at:064x}",
            "details": _DETAILS,
        }
        for at, name in enumerate(setting.models)
    ]
    return plain(_encode({"models": rows}))


def show(request: Request, setting: Setting) -> Reply:
    """POST /api/show."""
    name = _read(request.body)["model"]
    if name not in setting.models:
        raise Rejected(404, f"model '{name}' not found")
    answer = {
        "license": "MIT",
        "modelfile": f"FROM {name}",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": _DETAILS,
        "model_info": {"general.architecture": "llama", "llama.context_length": 131_072},
        "capabilities": ["completion", "tools", "thinking", "vision"],
        "modified_at": "2026-01-01T00:00:00Z",
    }
    return plain(_encode(answer))


def version(request: Request, setting: Setting) -> Reply:
    """GET /api/version."""
    return plain(_encode({"version": VERSION}))


def root(request: Request, setting: Setting) -> Reply:
    """GET /: how clients see that it is there."""
    reply = plain(b"Ollama is running")
    reply.media_type = b"text/plain; charset=utf-8"
    return reply
