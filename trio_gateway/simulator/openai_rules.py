"""What OpenAI's Chat Completions refuses, as far as a translator can get it wrong.

Source: OpenAI's API reference and recorded error bodies. Lenient on purpose where nothing is at stake: nulls count
as absent, and values are not checked beyond what a wrong translation would break.
"""

from __future__ import annotations

import re
from typing import Any

from trio_gateway.simulator.reading import names, tag
from trio_gateway.simulator.script import Rejected

_REQUEST_FIELDS = names(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages"
    " metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key"
    " prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier"
    " stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity"
    " web_search_options"
)
_MESSAGE_FIELDS = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset(
        {"role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "annotations"}
        # Not in the specification, but replayed by clients of servers that send it.
        | {"reasoning_content"}
    ),
    "tool": frozenset({"role", "content", "tool_call_id"}),
    "function": frozenset({"role", "content", "name"}),
}
_PARTS = {
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
    "tool": frozenset({"text"}),
    "function": frozenset[str](),
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "n": (1, 128),
    "top_logprobs": (0, 20),
}


def check_chat(request: dict[str, Any]) -> None:
    """Raise Rejected as the provider would."""
    for field in request:
        if field not in _REQUEST_FIELDS:
            raise _bad(f"Unrecognized request argument supplied: {field}", field, "unknown_parameter")
    messages = request["messages"]
    for at, message in enumerate(messages):
        _check_message(message, f"messages[{at}]")
    _check_pairing(messages)
    names = _check_tools(request.get("tools"))
    _check_choice(request.get("tool_choice"), names)
    _check_values(request)


def _check_message(message: Any, where: str) -> None:
    role = tag(message, "role")
    if not isinstance(role, str) or role not in _MESSAGE_FIELDS:
        raise _bad(f"Invalid value: {role!r}. Supported values are: {', '.join(_MESSAGE_FIELDS)}.", f"{where}.role")
    for field in message:
        if field not in _MESSAGE_FIELDS[role]:
            raise _bad(f"Unknown parameter: '{where}.{field}'.", f"{where}.{field}", "unknown_parameter")
    content = message.get("content")
    calls = message.get("tool_calls")
    if content is None and not (role == "assistant" and (calls or message.get("refusal") or message.get("audio"))):
        raise _bad(f"Invalid value for 'content': expected a string, got null for {where}.", f"{where}.content")
    if isinstance(content, list):
        if not content:
            raise _bad("Invalid content: empty array.", f"{where}.content", "empty_array")
        for at, part in enumerate(content):
            _check_part(part, role, f"{where}.content[{at}]")
    elif not isinstance(content, str | None):
        raise _bad("Invalid type for content: expected a string or an array.", f"{where}.content", "invalid_type")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise _bad(f"Missing required parameter: '{where}.tool_call_id'.", where, "missing_required_parameter")
    if calls is not None:
        _check_calls(calls, f"{where}.tool_calls")


def _check_part(part: Any, role: str, where: str) -> None:
    kind = tag(part)
    if kind not in _PARTS[role]:
        raise _bad(
            f"Invalid value: {kind!r}. Supported values are: {', '.join(sorted(_PARTS[role]))}.", f"{where}.type"
        )
    if kind in ("text", "refusal") and not isinstance(part.get(kind), str):
        raise _bad(f"Missing required parameter: '{where}.{kind}'.", where, "missing_required_parameter")
    if kind == "image_url":
        image = part.get("image_url")
        url = tag(image, "url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://", "data:image/")):
            raise _bad("Invalid image: expected an http(s) URL or a data URL of an image.", f"{where}.image_url")


def _check_calls(calls: Any, where: str) -> None:
    if not isinstance(calls, list) or not calls:
        raise _bad(f"Invalid '{where}': empty array. Expected at least one call.", where, "empty_array")
    for at, call in enumerate(calls):
        kind = tag(call)
        if kind not in ("function", "custom") or not isinstance(call.get("id"), str) or not call["id"]:
            raise _bad(f"Missing required parameter: '{where}[{at}]' needs an id and a type.", f"{where}[{at}]")
        body = call.get(kind)
        text = "arguments" if kind == "function" else "input"
        if not isinstance(body, dict) or not isinstance(body.get(text), str):
            raise _bad(f"Invalid type for '{where}[{at}].{kind}.{text}': expected a string.", f"{where}[{at}].{kind}")
        _check_name(body.get("name"), f"{where}[{at}].{kind}.name")


def _check_pairing(messages: list[Any]) -> None:
    """Every call is answered, right after it, once; and nothing else is."""
    open_ids: list[str] = []
    for at, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                raise _bad(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with"
                    " 'tool_calls'.",
                    f"messages[{at}].role",
                )
            open_ids.remove(message["tool_call_id"])
            continue
        _check_answered(open_ids, at)
        open_ids = [call["id"] for call in message.get("tool_calls") or ()]
        if len(set(open_ids)) != len(open_ids):
            raise _bad("Duplicate value for 'tool_call_id'.", f"messages[{at}].tool_calls")
    _check_answered(open_ids, len(messages))


def _check_answered(open_ids: list[str], at: int) -> None:
    if open_ids:
        raise _bad(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
            " 'tool_call_id'. The following tool_call_ids did not have response messages: " + ", ".join(open_ids),
            f"messages[{at}].role",
        )


def _check_tools(tools: Any) -> list[str]:
    if tools is None:
        return []
    if not isinstance(tools, list) or not tools:
        raise _bad("Invalid 'tools': empty array. Expected an array with minimum length 1.", "tools", "empty_array")
    names: list[str] = []
    for at, tool in enumerate(tools):
        kind = tag(tool)
        body = tool.get(kind) if kind in ("function", "custom") else None
        if not isinstance(body, dict):
            raise _bad(f"Missing required parameter: 'tools[{at}].function'.", f"tools[{at}]")
        names.append(_check_name(body.get("name"), f"tools[{at}].{kind}.name"))
        parameters = body.get("parameters")
        if parameters is not None and (
            not isinstance(parameters, dict) or parameters.get("type", "object") != "object"
        ):
            raise _bad(
                f"Invalid schema for function '{names[-1]}': schema must be a JSON Schema of 'type: \"object\"'.",
                f"tools[{at}].function.parameters",
                "invalid_function_parameters",
            )
    return names


def _check_name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _bad(
            f"Invalid '{where}': string does not match pattern '^[a-zA-Z0-9_-]+$' of at most 64 characters.",
            where,
            "invalid_value",
        )
    return name


def _check_choice(choice: Any, names: list[str]) -> None:
    if choice is None:
        return
    if not names:
        raise _bad("Invalid value for 'tool_choice': only allowed when 'tools' are specified.", "tool_choice")
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            raise _bad(f"Invalid value: {choice!r}. Supported values are: none, auto, required.", "tool_choice")
        return
    kind = tag(choice)
    body = choice.get(kind) if kind in ("function", "custom", "allowed_tools") else None
    if not isinstance(body, dict):
        raise _bad("Invalid value for 'tool_choice'.", "tool_choice")
    if kind != "allowed_tools" and body.get("name") not in names:
        raise _bad(f"Tool choice {body.get('name')!r} not found in 'tools' parameter.", "tool_choice")


def _check_values(request: dict[str, Any]) -> None:
    for field, (least, most) in _RANGES.items():
        value = request.get(field)
        if value is not None and not (isinstance(value, int | float) and least <= value <= most):
            raise _bad(f"Invalid '{field}': expected a number from {least} to {most}.", field, "invalid_value")
    for field in ("max_tokens", "max_completion_tokens"):
        value = request.get(field)
        if value is not None and (type(value) is not int or value < 1):
            raise _bad(f"Invalid '{field}': integer below minimum value.", field, "integer_below_min_value")
    stop = request.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise _bad("Invalid 'stop': array too long. Expected at most 4 items.", "stop", "array_above_max_length")
    if request.get("reasoning_effort") not in (None, *_EFFORTS):
        raise _bad(f"Invalid value: {request['reasoning_effort']!r}.", "reasoning_effort", "unsupported_value")
    if request.get("stream_options") is not None and not request.get("stream"):
        raise _bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    _check_format(request.get("response_format"))


def _check_format(wanted: Any) -> None:
    if wanted is None:
        return
    kind = tag(wanted)
    if kind not in ("text", "json_object", "json_schema"):
        raise _bad(f"Invalid value: {kind!r}.", "response_format.type")
    if kind == "json_schema":
        body = wanted.get("json_schema")
        if not isinstance(body, dict):
            raise _bad("Missing required parameter: 'response_format.json_schema'.", "response_format.json_schema")
        _check_name(body.get("name"), "response_format.json_schema.name")


def _bad(message: str, param: str, code: str = "") -> Rejected:
    return Rejected(400, message, param=param, kind=code)
