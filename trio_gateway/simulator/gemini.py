"""A simulated Gemini (Developer API): generateContent, streamGenerateContent, countTokens, embeddings, models.

Sources: Google's API reference, the types of google-genai 3.4 and recorded traffic.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from trio_gateway.simulator.decide import ANY, Asked, OfferedTool, decide, remembered
from trio_gateway.simulator.embeddings import MAX_DIMENSIONS, vector
from trio_gateway.simulator.gemini_rules import camel, check_generate, normalised
from trio_gateway.simulator.reading import as_object, characters_of, listed, read_object, tag, text_of
from trio_gateway.simulator.reply import (
    EVENT_STREAM,
    JSON,
    Endpoint,
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

DEFAULT_MODELS = ("gemini-3-pro", "gemini-2.5-flash", "gemini-embedding-001")

_PATH = re.compile(r"/v1(?:beta|alpha)?/models/([^:]+):(\w+)")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


def find(request: Request) -> Endpoint | None:
    """Return what answers the request; the model's name is part of the path."""
    if request.method == "POST" and (matched := _PATH.fullmatch(request.path)):
        return {
            "generateContent": generate,
            "streamGenerateContent": generate,
            "countTokens": count_tokens,
            "embedContent": embed,
            "batchEmbedContents": embed,
        }.get(matched[2])
    if request.method == "GET" and re.match(r"/v1(beta|alpha)?/models(/|$)", request.path):
        return models
    return None


def _model(request: Request) -> str:
    matched = _PATH.fullmatch(request.path)
    return unquote(matched[1]) if matched else ""


def generate(request: Request, setting: Setting) -> Reply:
    """POST /v1beta/models/{model}:generateContent and :streamGenerateContent, the latter with or without alt=sse."""
    streams = request.path.endswith(":streamGenerateContent")
    asked, script = _understand(request.body, _model(request), streams, setting.script, setting.strict)
    pen = _Pen(asked, script, setting)
    if not streams:
        return scripted_plain(script, b"", pen.whole, error_body)
    if parse_qs(request.query).get("alt") == ["sse"]:
        return scripted_stream(script, EVENT_STREAM, b"", pen.events, _error_in_events)
    return scripted_stream(script, JSON, b"", pen.array, _error_in_array)


@remembered
def _understand(raw: bytes, model: str, streams: bool, defaults: Script, strict: bool) -> tuple[Asked, Script]:
    body = _request(raw, strict)
    if strict:
        check_generate(body, model)
    asked = read_generate(body, model, streams)
    return asked, decide(asked, defaults)


def _request(raw: bytes, strict: bool) -> dict[str, Any]:
    body = read_object(raw)
    found = normalised(body, "request") if strict else {camel(name): value for name, value in body.items()}
    assert isinstance(found, dict)
    return found


def read_generate(body: dict[str, Any], model: str, streams: bool) -> Asked:
    contents = [content for content in listed(body.get("contents")) if isinstance(content, dict)]
    users = [content.get("parts") for content in contents if content.get("role") != "model"]
    texts = [text for parts in users if (text := text_of(parts))]
    instruction = body.get("systemInstruction")
    config = config if isinstance(config := body.get("generationConfig"), dict) else {}
    mode, allowed = _calling(body.get("toolConfig"))
    offered = [] if mode == "NONE" else _offered(body.get("tools"), allowed)
    return Asked(
        model=model,
        stream=streams,
        system_text=text_of(instruction.get("parts")) if isinstance(instruction, dict) else "",
        user_text=texts[-1] if texts else "",
        tool_result=_results(users[-1]) if users else None,
        tools=offered,
        forced="" if mode != "ANY" else ANY,
        schema=_schema(config),
        bare=config.get("responseMimeType") == _ENUM,
        characters=characters_of([contents, instruction, body.get("tools")]),
    )


def _calling(config: Any) -> tuple[str | None, list[Any]]:
    calling = config.get("functionCallingConfig") if isinstance(config, dict) else None
    return tag(calling, "mode"), listed(calling.get("allowedFunctionNames")) if isinstance(calling, dict) else []


def _offered(tools: Any, allowed: list[Any]) -> list[OfferedTool]:
    declarations = [
        one
        for tool in listed(tools)
        if isinstance(tool, dict)
        for one in listed(tool.get("functionDeclarations"))
        if isinstance(one, dict) and (not allowed or one.get("name") in allowed)
    ]
    return [
        OfferedTool(str(one.get("name")), one.get("parametersJsonSchema") or one.get("parameters"))
        for one in declarations
    ]


def _results(parts: Any) -> str | None:
    """Return what the functions said, when that is all there is in the last user turn."""
    answers = [
        part["functionResponse"] for part in listed(parts) if isinstance(part, dict) and "functionResponse" in part
    ]
    if not answers or text_of(parts):
        return None
    said = []
    for answer in answers:
        value = answer.get("response") if isinstance(answer, dict) else None
        # The convention is {"output": text}; anything else is quoted as it is.
        output = value.get("output") if isinstance(value, dict) else None
        said.append(output if isinstance(output, str) else _encode(value).decode())
    return "\n".join(said)


def _schema(config: dict[str, Any]) -> Any:
    if config.get("responseMimeType") not in ("application/json", _ENUM):
        return None
    return config.get("responseJsonSchema") or config.get("responseSchema") or True


_ENUM = "text/x.enum"


class _Pen:
    """Writes one answer: whole, as server-sent events, or as a streamed array."""

    def __init__(self, asked: Asked, script: Script, setting: Setting) -> None:
        self._script = script
        self._signature = script.signature or base64.b64encode(b"simulated-thought-%d" % setting.number).decode()
        self._new = not re.match(r"gemini-[12](\D|$)", asked.model)
        self._number = setting.number
        self._end = b'"modelVersion":%b,"responseId":"simulated-%08d"}' % (_encode(asked.model), setting.number)

    def whole(self) -> bytes:
        script = self._script
        parts = [{"text": script.reasoning, "thought": True}] if script.reasoning else []
        if script.text:
            parts.append({"text": script.text})
        encoded = [_encode(part) for part in parts] + self._calls()
        return self._response(encoded, self._finish_reason(), last=True)

    def events(self) -> list[Frame]:
        return [(b"data: %b\r\n\r\n" % response, is_delta) for response, is_delta in self._responses()]

    def array(self) -> list[Frame]:
        frames = [((b",\r\n" if at else b"[") + one, is_delta) for at, (one, is_delta) in enumerate(self._responses())]
        last, is_delta = frames.pop()
        return [*frames, (last + b"\n]", is_delta)]

    def _responses(self) -> list[Frame]:
        script = self._script
        parts = [_encode({"text": piece, "thought": True}) for piece in cut(script.reasoning, script.chunks)]
        parts += [_encode({"text": piece}) for piece in cut(script.text or "", script.chunks)]
        parts += self._calls()
        ending = [] if script.refusal else [b'{"text":""}']
        return [
            *((self._response([part], None, last=False), True) for part in parts),
            (self._response(ending, self._finish_reason(), last=True), False),
        ]

    def _finish_reason(self) -> str:
        if self._script.refusal and not self._script.finish:
            return "SAFETY"
        return _FINISH.get(self._script.finish_word, self._script.finish_word)

    def _calls(self) -> list[bytes]:
        """Return the parts of the calls; of parallel ones only the first is signed."""
        parts = []
        for at, call in enumerate(self._script.tool_calls):
            made: dict[str, Any] = {"name": call.name, "args": msgspec.Raw(as_object(call.arguments))}
            part: dict[str, Any] = {"functionCall": made}
            if self._new:
                made["id"] = f"call_{self._number:08d}{at:02d}"
                if at == 0:
                    part["thoughtSignature"] = self._signature
            parts.append(_encode(part))
        return parts

    def _response(self, parts: list[bytes], finish: str | None, *, last: bool) -> bytes:
        content = b'"content":{"parts":[%b],"role":"model"},' % b",".join(parts) if parts else b""
        reason = b'"finishReason":%b,' % _encode(finish) if finish else b""
        if finish and self._script.refusal:
            reason += b'"finishMessage":%b,' % _encode(self._script.refusal)
        return b'{"candidates":[{%b%b"index":0}],"usageMetadata":%b,%b' % (
            content,
            reason,
            self._usage(last),
            self._end,
        )

    def _usage(self, last: bool) -> bytes:
        """Before the last chunk only what was read is known."""
        script = self._script
        prompt, completion = script.prompt_tokens or 0, script.completion_tokens or 0
        usage: dict[str, Any] = {"promptTokenCount": prompt}
        if script.cached_tokens:
            usage["cachedContentTokenCount"] = script.cached_tokens
        if last:
            usage["candidatesTokenCount"] = max(0, completion - script.reasoning_tokens)
            if script.reasoning_tokens:
                usage["thoughtsTokenCount"] = script.reasoning_tokens
        return _encode(usage | {"totalTokenCount": prompt + (completion if last else 0)})


def error_body(error: Rejected) -> bytes:
    return json.dumps(_error(error), indent=2, ensure_ascii=False).encode()


def _error(error: Rejected) -> dict[str, Any]:
    status = error.kind or _STATUSES.get(error.status, "UNKNOWN")
    body: dict[str, Any] = {"code": error.status, "message": error.message, "status": status}
    if error.retry_after_s is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{error.retry_after_s:g}s"}
        body["details"] = [retry]
    return {"error": body}


def _error_in_events(error: Rejected, _: int) -> bytes:
    """As Google does: over several lines, and without the prefix of an event."""
    return error_body(error) + b"\n"


def _error_in_array(error: Rejected, before: int) -> bytes:
    return (b",\r\n" if before else b"[") + error_body(error) + b"\n]"


def reject(error: Rejected, setting: Setting) -> Reply:
    """Return the error as Google writes it."""
    return plain(error_body(error), status=error.status)


def count_tokens(request: Request, setting: Setting) -> Reply:
    """POST /v1beta/models/{model}:countTokens."""
    body = read_object(request.body)
    asked = body.get("generateContentRequest", body)
    contents = asked.get("contents") if isinstance(asked, dict) else None
    if not isinstance(contents, list) or not contents:
        raise Rejected(400, "* CountTokensRequest.contents: contents is not specified")
    tokens = max(1, characters_of([asked]) // 4)
    return plain(_encode({"totalTokens": tokens}))


def embed(request: Request, setting: Setting) -> Reply:
    """POST /v1beta/models/{model}:embedContent and :batchEmbedContents."""
    body = read_object(request.body)
    single = request.path.endswith(":embedContent")
    asked = [body] if single else listed(body.get("requests"))
    vectors = [_embedding(one) for one in asked]
    tokens = sum(max(1, characters_of([one["content"]]) // 4) for one in asked)
    told = {"embedding": vectors[0]} if single else {"embeddings": vectors}
    return plain(_encode({**told, "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens}}))


def _embedding(asked: Any) -> dict[str, Any]:
    content = asked.get("content") if isinstance(asked, dict) else None
    text = text_of(content.get("parts")) if isinstance(content, dict) else ""
    if not text:
        raise Rejected(400, "* EmbedContentRequest.content: content is not specified")
    dimensions = asked.get("outputDimensionality") or asked.get("output_dimensionality") or 8
    if type(dimensions) is not int or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise Rejected(400, f"output_dimensionality must be in the range [1, {MAX_DIMENSIONS}].")
    return {"values": vector(text, dimensions)}


def models(request: Request, setting: Setting) -> Reply:
    """GET /v1beta/models, and GET /v1beta/models/{model}."""
    rows = [
        {
            "name": f"models/{name}",
            "version": "001",
            "displayName": name,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
        for name in setting.models
    ]
    wanted = request.path.partition("/models/")[2]
    if not wanted:
        return plain(_encode({"models": rows}))
    for row in rows:
        if row["name"] == f"models/{wanted}":
            return plain(_encode(row))
    raise Rejected(404, f"models/{wanted} is not found for API version v1beta.")
