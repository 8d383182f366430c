"""What Anthropic's Messages API refuses, as far as a translator can get it wrong.

Source: Anthropic's API reference and recorded error messages; what differs between the two versions of the API is
said where it is checked. A request with beta features may carry fields that are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from trio_gateway.simulator.anthropic_schemas import check_schema
from trio_gateway.simulator.reading import is_base64, names, tag
from trio_gateway.simulator.script import Rejected

VERSIONS = ("2023-06-01", "2026-10-21")

SAMPLING = ("temperature", "top_p", "top_k")
_REQUEST_FIELDS = names(
    "cache_control container diagnostics inference_geo max_tokens messages metadata model output_config service_tier"
    " speed stop_sequences stream system thinking tool_choice tools"
) | frozenset(SAMPLING)
_BLOCK_FIELDS = {
    "text": frozenset({"type", "text", "cache_control", "citations"}),
    "image": frozenset({"type", "source", "cache_control", "transformations"}),
    "document": frozenset({"type", "source", "cache_control", "citations", "context", "title"}),
    "search_result": frozenset({"type", "content", "source", "title", "cache_control", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "cache_control", "caller", "toolset_name"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"}),
}
# Blocks of the vendor's own tools: they are replayed as they came, and not looked into.
_SERVER_BLOCKS = re.compile(
    r"server_tool_use|container_upload|tool_reference|\w+_tool_result|\w+_result|fallback|compaction"
)
_USER_ONLY = frozenset({"tool_result", "image", "search_result"})
_ASSISTANT_ONLY = frozenset({"tool_use", "thinking", "redacted_thinking", "server_tool_use"})
_TOOL_FIELDS = names(
    "name description input_schema type strict cache_control defer_loading allowed_callers input_examples"
    " eager_input_streaming"
)
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]+")  # what a signature is made of; the provider itself verifies it
_MEDIA = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_CHOICES = {
    "auto": frozenset({"type", "disable_parallel_tool_use"}),
    "any": frozenset({"type", "disable_parallel_tool_use"}),
    "tool": frozenset({"type", "name", "disable_parallel_tool_use"}),
    "none": frozenset({"type"}),
}
_THINKING = {
    "enabled": frozenset({"type", "budget_tokens", "display"}),
    "adaptive": frozenset({"type", "display"}),
    "disabled": frozenset({"type"}),
    "between_tools": frozenset({"type"}),
}
_MAX_CACHE_MARKERS = 4


def check_messages(request: dict[str, Any], version: str, *, beta: bool, counting: bool = False) -> None:
    """Raise Rejected as the provider would. `counting`: for count_tokens, which needs no max_tokens."""
    _check_fields(request, version, beta=beta)
    if not counting:
        _check_max_tokens(request)
    _check_system(request.get("system"))
    messages = merged(request["messages"])
    for where, role, block in _blocks(messages):
        _check_block(block, role, where, version)
    _check_edges(messages)
    _check_pairing(messages)
    names = _check_tools(request.get("tools"))
    if not names and any(block.get("type") in ("tool_use", "tool_result") for _, _, block in _blocks(messages)):
        raise _bad("Requests which include `tool_use` or `tool_result` blocks must define tools")
    _check_choice(request, names)
    _check_thinking(request, messages)
    _check_values(request)
    if messages[-1]["role"] == "assistant" and (request.get("output_config") or {}).get("format") is not None:
        raise _bad("output_config.format: not supported together with a prefilled assistant message")
    _check_cache_markers(request)


def merged(messages: list[Any]) -> list[dict[str, Any]]:
    """Return the messages as {role, content: blocks}, with neighbours of one role combined, as the provider does."""
    turns: list[dict[str, Any]] = []
    for at, message in enumerate(messages):
        role = tag(message, "role")
        if role not in ("user", "assistant", "system"):
            raise _bad(f"messages.{at}.role: Input should be 'user', 'assistant' or 'system'")
        for field in message:
            if field not in ("role", "content"):
                raise _bad(f"messages.{at}.{field}: Extra inputs are not permitted")
        content = message.get("content")
        if isinstance(content, str):
            blocks: list[Any] = [{"type": "text", "text": content}] if content else []
        elif isinstance(content, list):
            blocks = content
        else:
            raise _bad(f"messages.{at}.content: Input should be a valid string or list")
        if not blocks and not (role == "assistant" and at == len(messages) - 1):
            raise _bad(
                f"messages.{at}: all messages must have non-empty content except for the optional final assistant"
                " message"
            )
        if role == "system":
            _check_inner_system(messages, at, blocks)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"].extend(blocks)
        else:
            turns.append({"role": role, "content": list(blocks)})
    return turns


def _check_inner_system(messages: list[Any], at: int, blocks: list[Any]) -> None:
    """A system message in the middle follows a user's, is last or followed by an assistant's, and is text."""
    if at == 0 or tag(messages[at - 1], "role") != "user":
        raise _bad(f"messages.{at}: a message of role 'system' must follow a user message")
    if at + 1 < len(messages) and tag(messages[at + 1], "role") != "assistant":
        raise _bad(f"messages.{at}: a message of role 'system' must be last or be followed by an assistant message")
    if any(not isinstance(block, dict) or block.get("type") != "text" for block in blocks):
        raise _bad(f"messages.{at}.content: a message of role 'system' may only contain text")


def _blocks(turns: list[dict[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    for at, turn in enumerate(turns):
        for position, block in enumerate(turn["content"]):
            yield f"messages.{at}.content.{position}", turn["role"], block


def _check_fields(request: dict[str, Any], version: str, *, beta: bool) -> None:
    for field in request:
        if field not in _REQUEST_FIELDS and not beta:
            raise _bad(f"{field}: Extra inputs are not permitted")
    if request.get("thread") is not None:
        # Nothing is kept from one request to the next here; the provider says the same of what it cannot keep.
        raise Rejected(400, "thread: This request cannot be threaded", code="thread_unsupported_request")
    for field in SAMPLING:
        if version != VERSIONS[0] and field in request:
            raise _bad(f"{field}: not supported with anthropic-version {version}")


def _check_max_tokens(request: dict[str, Any]) -> None:
    if "max_tokens" not in request:
        raise _bad("max_tokens: Field required")
    if type(request["max_tokens"]) is not int or request["max_tokens"] < 0:
        raise _bad("max_tokens: Input should be greater than or equal to 0")


def _check_system(system: Any) -> None:
    if isinstance(system, list):
        for at, block in enumerate(system):
            if not isinstance(block, dict) or block.get("type") != "text":
                raise _bad(f"system.{at}.type: Input should be 'text'")
            _check_block(block, "system", f"system.{at}", VERSIONS[0])
    elif not isinstance(system, str | None):
        raise _bad("system: Input should be a valid string or list")


def _check_block(block: Any, role: str, where: str, version: str) -> None:
    kind = tag(block)
    if not isinstance(kind, str):
        raise _bad(f"{where}.type: Field required")
    if kind not in _BLOCK_FIELDS:
        if _SERVER_BLOCKS.fullmatch(kind):
            return
        raise _bad(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    for field in block:
        if field not in _BLOCK_FIELDS[kind]:
            raise _bad(f"{where}.{kind}.{field}: Extra inputs are not permitted")
    if (role == "assistant" and kind in _USER_ONLY) or (role == "user" and kind in _ASSISTANT_ONLY):
        raise _bad(f"{where}: `{kind}` blocks are not permitted in `{role}` messages")
    if version != VERSIONS[0]:
        if kind == "document" and role == "assistant":
            raise _bad(f"{where}: `document` blocks are not permitted in `assistant` messages")
        if kind == "text" and role == "user" and block.get("citations"):
            raise _bad(f"{where}.citations: not permitted in `user` messages")
    _check_content(kind, block, where)


def _check_content(kind: str, block: dict[str, Any], where: str) -> None:
    if kind == "text":
        _check_text(block.get("text"))
    elif kind == "image":
        _check_image(block.get("source"), where)
    elif kind == "thinking":
        if not isinstance(block.get("thinking"), str) or not isinstance(block.get("signature"), str):
            raise _bad(f"{where}.thinking.signature: Field required")
        if not _TOKEN.fullmatch(block["signature"]):
            raise _bad(f"{where}: Invalid `signature` in `thinking` block")
    elif kind == "redacted_thinking":
        if not isinstance(block.get("data"), str) or not _TOKEN.fullmatch(block["data"]):
            raise _bad(f"{where}: Invalid `data` in `redacted_thinking` block")
    elif kind == "tool_use":
        if not isinstance(block.get("id"), str) or not _ID.fullmatch(block["id"]):
            raise _bad(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if not isinstance(block.get("name"), str) or not _NAME.fullmatch(block["name"]):
            raise _bad(f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if not isinstance(block.get("input"), dict):
            raise _bad(f"{where}.tool_use.input: Input should be a valid dictionary")
    elif kind == "tool_result":
        _check_result(block, where)


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise _bad("text: Field required")
    if not text:
        raise _bad("messages: text content blocks must be non-empty")
    if not text.strip():
        raise _bad("messages: text content blocks must contain non-whitespace text")


def _check_image(source: Any, where: str) -> None:
    kind = tag(source)
    if kind == "base64":
        if tag(source, "media_type") not in _MEDIA:
            raise _bad(f"{where}.image.source.base64.media_type: Input should be one of {', '.join(sorted(_MEDIA))}")
        if not is_base64(source.get("data")):
            raise _bad(f"{where}.image.source.base64.data: Invalid base64 data")
    elif kind not in ("url", "file"):
        raise _bad(f"{where}.image.source: Input should be 'base64', 'url' or 'file'")


def _check_result(block: dict[str, Any], where: str) -> None:
    content = block.get("content")
    if not isinstance(block.get("tool_use_id"), str) or not _ID.fullmatch(block["tool_use_id"]):
        raise _bad(f"{where}.tool_result.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if isinstance(content, list):
        for at, inner in enumerate(content):
            if isinstance(inner, dict) and inner.get("type") in ("text", "image"):
                _check_block(inner, "tool", f"{where}.tool_result.content.{at}", VERSIONS[0])
    elif not isinstance(content, str | None):
        raise _bad(f"{where}.tool_result.content: Input should be a valid string or list")


def _check_edges(turns: list[dict[str, Any]]) -> None:
    if turns[0]["role"] != "user":
        raise _bad('messages: first message must use the "user" role')
    last = turns[-1]
    if last["role"] == "assistant" and last["content"]:
        block = last["content"][-1]
        if block.get("type") == "text" and block["text"] != block["text"].rstrip():
            raise _bad("messages: final assistant content cannot end with trailing whitespace")


def _check_pairing(turns: list[dict[str, Any]]) -> None:
    """Each call's result stands in the next user message, before anything else there, once."""
    turns = [turn for turn in turns if turn["role"] != "system"]
    for at, turn in enumerate(turns):
        calls = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        if len(set(calls)) != len(calls):
            raise _bad(f"messages.{at}: `tool_use` ids must be unique")
        following = turns[at + 1]["content"] if at + 1 < len(turns) else []
        results = [block["tool_use_id"] for block in following if block["type"] == "tool_result"]
        missing = [call for call in calls if call not in results]
        if missing:
            raise _bad(
                f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after:"
                f" {', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the"
                " next message."
            )
        if at == 0 and any(block["type"] == "tool_result" for block in turn["content"]):
            raise _unexpected(0, "")
        if stray := [result for result in results if result not in calls]:
            raise _unexpected(at + 1, stray[0])
        if len(set(results)) != len(results):
            raise _bad(f"messages.{at + 1}: each `tool_use` must have a single result")
        if calls and any(block["type"] != "tool_result" for block in following[: len(results)]):
            raise _bad(f"messages.{at + 1}: `tool_result` blocks must come before any other content")


def _unexpected(at: int, result: str) -> Rejected:
    return _bad(
        f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {result}. Each `tool_result` block"
        " must have a corresponding `tool_use` block in the previous message."
    )


def _check_tools(tools: Any) -> list[str]:
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise _bad("tools: Input should be a valid list")
    names: list[str] = []
    for at, tool in enumerate(tools):
        name = tag(tool, "name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _bad(f"tools.{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        names.append(name)
        if tool.get("type") not in (None, "custom"):
            continue
        for field in tool:
            if field not in _TOOL_FIELDS:
                raise _bad(f"tools.{at}.custom.{field}: Extra inputs are not permitted")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise _bad(f"tools.{at}.custom.input_schema.type: Field required")
        if tool.get("strict") is True:
            check_schema(schema, f"tools.{at}.custom")
    if len(set(names)) != len(names):
        raise _bad("tools: Tool names must be unique.")
    return names


def _check_choice(request: dict[str, Any], names: list[str]) -> None:
    choice = request.get("tool_choice")
    if choice is None:
        return
    kind = tag(choice)
    if kind not in _CHOICES:
        raise _bad("tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'")
    for field in choice:
        if field not in _CHOICES[kind]:
            raise _bad(f"tool_choice.{kind}.{field}: Extra inputs are not permitted")
    if not names:
        raise _bad("tool_choice: may only be specified while providing tools")
    if kind == "tool" and choice.get("name") not in names:
        raise _bad(f"Tool '{choice.get('name')}' not found in provided tools")


def _check_thinking(request: dict[str, Any], turns: list[dict[str, Any]]) -> None:
    thinking = request.get("thinking")
    if thinking is None:
        return
    kind = tag(thinking)
    if kind not in _THINKING:
        raise _bad(f"thinking: Input tag does not match any of the expected tags: {', '.join(_THINKING)}")
    for field in thinking:
        if field not in _THINKING[kind]:
            raise _bad(f"thinking.{kind}.{field}: Extra inputs are not permitted")
    if kind != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if type(budget) is not int or budget < 1024:
        raise _bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if type(most := request.get("max_tokens")) is int and budget >= most:
        raise _bad("`max_tokens` must be greater than `thinking.budget_tokens`")
    if (request.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise _bad("Thinking may not be enabled when tool_choice forces tool use.")
    if request.get("temperature", 1) != 1 or "top_k" in request:
        raise _bad("`temperature` may only be set to 1 when thinking is enabled")
    _check_loop(turns)


def _check_loop(turns: list[dict[str, Any]]) -> None:
    """While it thinks by a budget, the turn whose calls are answered last begins with a thought."""
    turns = [turn for turn in turns if turn["role"] != "system"]
    if len(turns) < 2 or not any(block["type"] == "tool_result" for block in turns[-1]["content"]):
        return
    first = turns[-2]["content"][0]["type"]
    if first not in ("thinking", "redacted_thinking"):
        raise _bad(
            f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found"
            f" `{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block"
            " (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
        )


def _check_values(request: dict[str, Any]) -> None:
    for field, most in (("temperature", 1), ("top_p", 1)):
        value = request.get(field, 0)
        if not isinstance(value, int | float) or not 0 <= value <= most:
            raise _bad(f"{field}: range: 0..{most}")
    stops = request.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop.strip() for stop in stops):
        raise _bad("stop_sequences: each stop sequence must contain non-whitespace")
    if not isinstance(request.get("stream", False), bool):
        raise _bad("stream: Input should be a valid boolean")
    for field in _object(request, "metadata"):
        if field != "user_id":
            raise _bad(f"metadata.{field}: Extra inputs are not permitted")
    wanted = _object(request, "output_config")
    for field in wanted:
        if field not in ("effort", "format", "task_budget"):
            raise _bad(f"output_config.{field}: Extra inputs are not permitted")
    if wanted.get("format") is not None:
        check_schema(_object(wanted, "format").get("schema"), "output_config.format.schema")


def _object(parent: dict[str, Any], field: str) -> dict[str, Any]:
    """Return the object under `field`; an empty one where there is none."""
    value = parent.get(field)
    if not isinstance(value, dict | None):
        raise _bad(f"{field}: Input should be a valid dictionary or object to extract fields from")
    return value or {}


def _check_cache_markers(request: dict[str, Any]) -> None:
    """At most four markers, each of type ephemeral."""
    markers = []
    open_values: list[Any] = [
        request.get("tools"),
        request.get("system"),
        request.get("messages"),
        request.get("cache_control"),
    ]
    while open_values:
        value = open_values.pop()
        if isinstance(value, list):
            open_values.extend(value)
        elif isinstance(value, dict):
            if value.get("cache_control") is not None:
                markers.append(value["cache_control"])
            open_values.append(value.get("content"))
    if any(not isinstance(marker, dict) or marker.get("type") != "ephemeral" for marker in markers):
        raise _bad("cache_control: Input tag does not match any of the expected tags: 'ephemeral'")
    if len(markers) > _MAX_CACHE_MARKERS:
        raise _bad(f"A maximum of 4 blocks with cache_control may be provided. Found {len(markers)}.")


def _bad(message: str) -> Rejected:
    return Rejected(400, message)
