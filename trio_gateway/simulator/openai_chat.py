"""A simulated OpenAI: Chat Completions, Embeddings and Models. The legacy completions are beside it.

Sources: OpenAI's API reference and its recorded traffic (2026-08).
"""

from __future__ import annotations

import base64
from typing import Any, TypeVar

import msgspec

from trio_gateway.simulator.decide import ANY, Asked, OfferedTool, decide, remembered
from trio_gateway.simulator.embeddings import MAX_DIMENSIONS, packed_floats, vector
from trio_gateway.simulator.openai_rules import check_chat
from trio_gateway.simulator.reading import characters_of, read_object, required, text_of
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

DEFAULT_MODELS = ("gpt-5.6-terra", "gpt-5-mini", "text-embedding-3-small")

_ERRORS = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    409: ("conflict_error", None),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("server_error", "overloaded"),
}
_HEADERS = (
    b"x-request-id: req_%08d\r\nopenai-version: 2020-10-01\r\nopenai-processing-ms: 7\r\n"
    b"x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\nx-ratelimit-reset-requests: 6ms\r\n"
)


Delta = TypeVar("Delta")


class ChatAsked(Asked, kw_only=True):
    include_usage: bool = False
    answers: int = 1


def chat(request: Request, setting: Setting) -> Reply:
    """POST /v1/chat/completions."""
    asked, script = _understand(request.body, setting.script, setting.strict)
    headers = headers_of(setting)
    if asked.stream:
        return scripted_stream(script, EVENT_STREAM, headers, lambda: _chunks(asked, script, setting), error_event)
    return scripted_plain(script, headers, lambda: _completion(asked, script, setting), error_body)


@remembered
def _understand(body: bytes, defaults: Script, strict: bool) -> tuple[ChatAsked, Script]:
    request = read_object(body)
    required(request, "model", str, "you must provide a model parameter")
    required(request, "messages", list, "Missing required parameter: 'messages'.")
    if strict:
        check_chat(request)
    asked = read_chat(request)
    return asked, decide(asked, defaults)


def read_chat(body: dict[str, Any]) -> ChatAsked:
    messages = [message for message in body["messages"] if isinstance(message, dict)]
    texts = [(message.get("role"), text_of(message.get("content"))) for message in messages]
    last_user = next((text for role, text in reversed(texts) if role == "user"), "")
    answered = bool(texts) and texts[-1][0] == "tool"
    options = body.get("stream_options")
    answers = body.get("n")
    return ChatAsked(
        model=body["model"],
        stream=body.get("stream") is True,
        system_text="\n".join(text for role, text in texts if role in ("system", "developer")),
        user_text=last_user,
        tool_result=texts[-1][1] if answered else None,
        tools=_offered(body),
        forced=_forced(body.get("tool_choice")),
        schema=_schema(body.get("response_format")),
        characters=sum(len(text) for _, text in texts) + characters_of([body.get("tools")]),
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        answers=answers if isinstance(answers, int) and answers > 0 else 1,
    )


def _offered(body: dict[str, Any]) -> list[OfferedTool]:
    if body.get("tool_choice") == "none" or not isinstance(tools := body.get("tools"), list):
        return []
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    return [OfferedTool(str(one.get("name")), one.get("parameters")) for one in functions if isinstance(one, dict)]


def _forced(choice: Any) -> str:
    if choice == "required":
        return ANY
    named = choice.get("function") if isinstance(choice, dict) else None
    return str(named.get("name")) if isinstance(named, dict) else ""


def _schema(wanted: Any) -> Any:
    if not isinstance(wanted, dict) or wanted.get("type") in (None, "text"):
        return None
    described = wanted.get("json_schema")
    return described.get("schema", True) if isinstance(described, dict) else True


def call_id(setting: Setting, at: int) -> str:
    return f"call_{setting.number:08d}{at:02d}"


def usage_json(script: Script) -> bytes:
    prompt, completion = script.prompt_tokens or 0, script.completion_tokens or 0
    return (
        b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
        b'"prompt_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d,"audio_tokens":0},'
        b'"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":0,'
        b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
        % (
            prompt,
            completion,
            prompt + completion,
            script.cached_tokens,
            script.cache_write_tokens,
            script.reasoning_tokens,
        )
    )


def _completion(asked: ChatAsked, script: Script, setting: Setting) -> bytes:
    message = b'{"role":"assistant","content":%b,"refusal":%b,"annotations":[]' % (
        _encode(None if script.refusal else script.text),
        _encode(script.refusal or None),
    )
    if script.reasoning:
        message += b',"reasoning_content":%b' % _encode(script.reasoning)
    if script.tool_calls:
        calls = [
            b'{"id":"%b","type":"function","function":{"name":%b,"arguments":%b}}'
            % (call_id(setting, at).encode(), _encode(call.name), _encode(call.arguments))
            for at, call in enumerate(script.tool_calls)
        ]
        message += b',"tool_calls":[%b]' % b",".join(calls)
    choice = b'"message":%b},"logprobs":null,"finish_reason":%b}' % (message, _encode(script.finish_word))
    return (
        b'{"id":"chatcmpl-%08d","object":"chat.completion","created":%d,"model":%b,"choices":[%b],"usage":%b,'
        b'"service_tier":"default","system_fingerprint":"fp_simulated"}'
        % (
            setting.number,
            setting.now_s,
            _encode(asked.model),
            b",".join([b'{"index":%d,%b' % (at, choice) for at in range(asked.answers)]),
            usage_json(script),
        )
    )


def _chunks(asked: ChatAsked, script: Script, setting: Setting) -> list[Frame]:
    start = (
        b'data: {"id":"chatcmpl-%08d","object":"chat.completion.chunk","created":%d,"model":%b,'
        b'"service_tier":"default","system_fingerprint":"fp_simulated","choices":['
        % (setting.number, setting.now_s, _encode(asked.model))
    )
    end = b',"usage":null}\n\n' if asked.include_usage else b"}\n\n"
    frames: list[Frame] = []
    deltas = _deltas(script, setting)
    for at in range(asked.answers):
        before = start + b'{"index":%d,"delta":' % at
        after = b',"logprobs":null,"finish_reason":null}]' + end
        opening = b'{"role":"assistant","content":%b,"refusal":null}' % (b"null" if script.text is None else b'""')
        frames.append((before + opening + after, False))
        frames += [(before + delta + after, True) for delta in deltas]
        finish = b'{},"logprobs":null,"finish_reason":%b}]' % _encode(script.finish_word)
        frames.append((before + finish + end, False))
    if asked.include_usage:
        frames.append((start + b'],"usage":%b}\n\n' % usage_json(script), False))
    frames.append((b"data: [DONE]\n\n", False))
    return frames


def _deltas(script: Script, setting: Setting) -> list[bytes]:
    deltas = [b'{"reasoning_content":%b}' % _encode(piece) for piece in cut(script.reasoning, script.chunks)]
    if script.refusal:
        deltas += [b'{"refusal":%b}' % _encode(piece) for piece in cut(script.refusal, script.chunks)]
    else:
        deltas += [b'{"content":%b}' % _encode(piece) for piece in cut(script.text or "", script.chunks)]
    by_call: list[list[bytes]] = []
    for at, call in enumerate(script.tool_calls):
        opening = b'{"tool_calls":[{"index":%d,"id":"%b","type":"function","function":{"name":%b,"arguments":""}}]}'
        pieces = [
            b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (at, _encode(piece))
            for piece in cut(call.arguments, script.fragments)
        ]
        by_call.append([opening % (at, call_id(setting, at).encode(), _encode(call.name)), *pieces])
    return deltas + ordered(by_call, interleave=script.interleave)


def ordered(by_call: list[list[Delta]], *, interleave: bool) -> list[Delta]:
    """Return the deltas of all calls: one call after the other, or in turns."""
    if not interleave:
        return [delta for deltas in by_call for delta in deltas]
    longest = max((len(deltas) for deltas in by_call), default=0)
    return [deltas[at] for at in range(longest) for deltas in by_call if at < len(deltas)]


def headers_of(setting: Setting) -> bytes:
    return _HEADERS % setting.number


def error_body(error: Rejected) -> bytes:
    kind, code = _ERRORS.get(error.status, ("server_error" if error.status >= 500 else "invalid_request_error", None))
    code = error.kind or code
    if code == "insufficient_quota":
        kind = code
    return _encode({"error": {"message": error.message, "type": kind, "param": error.param, "code": code}})


def error_event(error: Rejected, _: int) -> bytes:
    """Return the error as a stream tells it."""
    return b"data: %b\n\n" % error_body(error)


def reject(error: Rejected, setting: Setting) -> Reply:
    """Return the error as OpenAI writes it."""
    headers = headers_of(setting)
    if error.retry_after_s is not None:
        headers += retry_headers(error.retry_after_s)
    return plain(error_body(error), headers, status=error.status)


def retry_headers(retry_after_s: float) -> bytes:
    """Return `retry-after` in whole seconds, rounded up, and the finer `retry-after-ms` that the SDKs prefer."""
    return b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (-(-retry_after_s // 1), round(retry_after_s * 1000))


def models(request: Request, setting: Setting) -> Reply:
    """GET /v1/models, and GET /v1/models/{model}."""
    rows = [
        {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"} for name in setting.models
    ]
    wanted = request.path.removeprefix("/v1/models").removeprefix("/")
    if not wanted:
        return plain(_encode({"object": "list", "data": rows}), headers_of(setting))
    for row in rows:
        if row["id"] == wanted:
            return plain(_encode(row), headers_of(setting))
    raise Rejected(404, f"The model '{wanted}' does not exist or you do not have access to it.", param="model")


def embeddings(request: Request, setting: Setting) -> Reply:
    """POST /v1/embeddings."""
    body = read_object(request.body)
    model = required(body, "model", str, "you must provide a model parameter")
    texts = _inputs(body.get("input"))
    dimensions = body.get("dimensions") or 8
    if type(dimensions) is not int or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise Rejected(400, f"Invalid 'dimensions': expected 1 to {MAX_DIMENSIONS}.", param="dimensions")
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise Rejected(400, "Invalid 'encoding_format': expected 'float' or 'base64'.", param="encoding_format")
    rows = []
    for at, text in enumerate(texts):
        numbers = vector(text, dimensions)
        value = base64.b64encode(packed_floats(numbers)).decode() if encoding == "base64" else numbers
        rows.append({"object": "embedding", "index": at, "embedding": value})
    tokens = sum(max(1, len(text) // 4) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return plain(_encode({"object": "list", "data": rows, "model": model, "usage": usage}), headers_of(setting))


def _inputs(given: Any) -> list[str]:
    """Return the texts to embed; a list of token numbers stands for one text."""
    if isinstance(given, str) or (isinstance(given, list) and given and all(type(item) is int for item in given)):
        given = [given]
    if not isinstance(given, list) or not 1 <= len(given) <= 2048:
        raise Rejected(400, "Invalid 'input': expected a string or an array of 1 to 2048 items.", param="input")
    texts = [
        item if isinstance(item, str) else " ".join(map(str, item)) for item in given if isinstance(item, str | list)
    ]
    if len(texts) != len(given) or not all(texts):
        raise Rejected(400, "Invalid 'input': input cannot be an empty string.", param="input")
    return texts
