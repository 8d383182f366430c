"""What OpenAI's Responses API refuses, as far as a translator can get it wrong.

Source: OpenAI's API reference and reported error messages. Items and tools of kinds that are not known here pass.
"""

from __future__ import annotations

import re
from typing import Any

from trio_gateway.simulator.reading import listed, names, tag
from trio_gateway.simulator.script import Rejected

_REQUEST_FIELDS = names(
    "access_programs background background_options context_management conversation image include input instructions"
    " max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt"
    " prompt_cache_key prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store"
    " stream stream_options temperature text tool_choice tools top_logprobs top_p truncation user client_metadata"
)
_ITEM_FIELDS = {
    "message": names("type role content id status phase"),
    "function_call": names("type call_id name arguments id status namespace caller async"),
    "function_call_output": names("type call_id output id status caller"),
    "reasoning": names("type id summary content encrypted_content status"),
}
_PARTS = {
    "user": names("input_text input_image input_file input_audio"),
    "system": names("input_text"),
    "developer": names("input_text"),
    "assistant": names("output_text refusal"),
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]*")  # what encrypted content is made of; the provider itself decrypts it
_MAX_CALL_ID = 64
_CALLS = {"function_call": "function call", "custom_tool_call": "custom tool call"}
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_MIN_OUTPUT_TOKENS = 16


def check_responses(request: dict[str, Any]) -> None:
    """Raise Rejected as the provider would."""
    for field in request:
        if field not in _REQUEST_FIELDS:
            raise _bad(f"Unknown parameter: '{field}'.", field, "unknown_parameter")
    items = listed(request["input"])
    for at, item in enumerate(items):
        _check_item(item, f"input[{at}]")
    _check_pairing(items, stateful=bool(request.get("previous_response_id") or request.get("conversation")))
    _check_reasoning(items)
    _check_tools(request)
    _check_values(request)


def _check_item(item: Any, where: str) -> None:
    if not isinstance(item, dict):
        raise _bad(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = tag(item) or ("message" if "role" in item else "")
    if not kind:
        raise _bad(f"Missing required parameter: '{where}.type'.", where, "missing_required_parameter")
    for field in item if kind in _ITEM_FIELDS else ():
        if field not in _ITEM_FIELDS[kind]:
            raise _bad(f"Unknown parameter: '{where}.{field}'.", f"{where}.{field}", "unknown_parameter")
    if kind == "message":
        _check_message(item, where)
    elif kind in (*_CALLS, *_OUTPUTS):
        call_id = tag(item, "call_id")
        if not call_id or len(call_id) > _MAX_CALL_ID:
            raise _bad(f"Invalid '{where}.call_id': expected 1 to {_MAX_CALL_ID} characters.", f"{where}.call_id")
        if kind in _OUTPUTS and not isinstance(item.get("output"), str | list):
            raise _bad(f"Missing required parameter: '{where}.output'.", where, "missing_required_parameter")
        if kind == "function_call" and (tag(item, "arguments") is None or not tag(item, "name")):
            raise _bad(f"Invalid '{where}': 'name' and 'arguments' are strings.", where, "invalid_type")
    elif kind == "reasoning":
        if not isinstance(item.get("summary"), list):
            raise _bad(f"Missing required parameter: '{where}.summary'.", where, "missing_required_parameter")
        if not _TOKEN.fullmatch(item.get("encrypted_content") or ""):
            message = f"The encrypted content for item {item.get('id')} could not be verified."
            raise _bad(message, where, "invalid_encrypted_content")


def _check_message(item: dict[str, Any], where: str) -> None:
    role = tag(item, "role")
    if role not in _PARTS:
        raise _bad(f"Invalid value: {role!r}. Supported values are: {', '.join(_PARTS)}.", f"{where}.role")
    content = item.get("content")
    if not isinstance(content, str | list):
        raise _bad(f"Missing required parameter: '{where}.content'.", where, "missing_required_parameter")
    for at, part in enumerate(listed(content)):
        if tag(part) not in _PARTS[role]:
            allowed = ", ".join(sorted(_PARTS[role]))
            raise _bad(f"Invalid value: {tag(part)!r}. Supported values are: {allowed}.", f"{where}.content[{at}].type")


def _check_pairing(items: list[Any], *, stateful: bool) -> None:
    calls = {item["call_id"]: _CALLS[kind] for item in items if (kind := tag(item)) in _CALLS}
    outputs = [item["call_id"] for item in items if tag(item) in _OUTPUTS]
    for call, what in calls.items():
        if call not in outputs:
            raise _bad(f"No tool output found for {what} {call}.", "input")
    for output in outputs:
        # The call may stand in the conversation that the provider keeps.
        if output not in calls and not stateful:
            raise _bad(f"No tool call found for function call output with call_id {output}.", "input")
    if len(calls) != sum(tag(item) in _CALLS for item in items) or len(set(outputs)) != len(outputs):
        raise _bad("Duplicate call_id in the input.", "input")


def _check_reasoning(items: list[Any]) -> None:
    """A reasoning item belongs to what the model did next: it cannot stand alone."""
    for at, item in enumerate(items):
        if tag(item) != "reasoning":
            continue
        following = items[at + 1] if at + 1 < len(items) else None
        if following is None or tag(following, "role") in ("user", "system", "developer"):
            raise _bad(
                f"Item '{tag(item, 'id')}' of type 'reasoning' was provided without its required following item.",
                "input",
            )


def _check_tools(request: dict[str, Any]) -> None:
    known: list[str] = []
    for at, tool in enumerate(listed(request.get("tools"))):
        if not tag(tool):
            raise _bad(f"Missing required parameter: 'tools[{at}].type'.", f"tools[{at}].type")
        if tag(tool) not in ("function", "custom"):
            continue
        name = tag(tool, "name")
        if not name:
            raise _bad(f"Missing required parameter: 'tools[{at}].name'.", f"tools[{at}].name")
        if not _NAME.fullmatch(name):
            raise _bad(f"Invalid 'tools[{at}].name': string does not match pattern '^[a-zA-Z0-9_-]+$'.", "tools")
        known.append(name)
    choice = request.get("tool_choice")
    if isinstance(choice, str) and choice not in ("none", "auto", "required"):
        raise _bad(f"Invalid value: {choice!r}. Supported values are: none, auto, required.", "tool_choice")
    if tag(choice) == "function" and tag(choice, "name") not in known:
        raise _bad(f"Tool choice 'function' not found in 'tools' parameter: {tag(choice, 'name')!r}.", "tool_choice")


def _check_values(request: dict[str, Any]) -> None:
    most = request.get("max_output_tokens")
    if most is not None and (type(most) is not int or most < _MIN_OUTPUT_TOKENS):
        raise _bad(
            f"Invalid 'max_output_tokens': expected a value >= {_MIN_OUTPUT_TOKENS}.",
            "max_output_tokens",
            "integer_below_min_value",
        )
    text = request.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    if wanted is not None:
        if tag(wanted) not in ("text", "json_object", "json_schema"):
            raise _bad("Invalid value for 'text.format.type'.", "text.format.type")
        if tag(wanted) == "json_schema" and not (tag(wanted, "name") and isinstance(wanted.get("schema"), dict)):
            raise _bad("Missing required parameter: 'text.format.name' or 'text.format.schema'.", "text.format")


def _bad(message: str, param: str, code: str = "") -> Rejected:
    return Rejected(400, message, param=param, kind=code)
