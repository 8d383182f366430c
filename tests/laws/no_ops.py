"""Members of a request that say nothing: without them the target is asked for the same, and no loss is needed.

Each rule is as narrow as what it excuses: a value that is the default, what another member says already, what the
target does in any case, what the gateway's own URL or books say.
"""

from __future__ import annotations

import copy
import re
from typing import Any, TypeAlias

from members import Path
from rich_requests import objects
from spellings import camel_case, rename_camel

from trio_gateway.dialects.capabilities import Capabilities

# The member of a request where it stands, without places in lists; the values that ask for nothing, in any target.
_DEFAULTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "openai_chat": {
        "/n": (1,),
        "/presence_penalty": (0,),
        "/frequency_penalty": (0,),
        "/logit_bias": ({},),
        "/metadata": ({},),
        "/logprobs": (False,),
        "/top_logprobs": (0,),
        "/parallel_tool_calls": (True,),
        "/temperature": (1,),
        "/top_p": (1,),
        "/stream": (False,),
        "/service_tier": ("auto", "default"),
        "/store": (False,),
        "/verbosity": ("medium",),
        "/messages/#/annotations": ([],),
        "/messages/#/annotations/#/url_citation/start_index": (0,),
        "/messages/#/content": ("",),
        "/messages/#/content/#/image_url/detail": ("auto",),
        "/messages/#/content/#/prompt_cache_breakpoint/mode": ("explicit",),
        "/messages/#/function_call/arguments": ("{}",),
        "/messages/#/tool_calls/#/function/arguments": ("{}",),
        "/response_format/json_schema/name": ("response", "output", "answer"),
        "/response_format/json_schema/strict": (False,),
        "/tools/#/function/strict": (False,),
        "/tools/#/custom/format": ({"type": "text"},),
        "/modalities/#": ("text",),
        "/messages/#/reasoning_details/#/index": (0,),
        "/stream_options/include_usage": (True,),  # of the answer, which has it
        "/tools/#/function/parameters": ({"type": "object", "properties": {}}, {}),
        "/tool_choice": ("auto", "none"),
        "/functions/#/parameters": ({"type": "object", "properties": {}}, {}),
        "/function_call": ("auto", "none"),
    },
    "openai_responses": {
        "/include": ([],),
        "/include/#": ("reasoning.encrypted_content",),
        "/input/#/status": ("completed",),
        "/input/#/summary": ([],),
        "/input/#/content/#/prompt_cache_breakpoint/mode": ("explicit",),
        "/input/#/output/#/prompt_cache_breakpoint/mode": ("explicit",),
        "/input/#/content/#/detail": ("auto",),
        "/input/#/content/#/annotations": ([],),
        "/input/#/output/#/detail": ("auto",),
        "/metadata": ({},),
        "/parallel_tool_calls": (True,),
        "/reasoning": ({},),
        "/service_tier": ("auto", "default"),
        "/store": (False,),
        "/stream": (False,),
        "/temperature": (1,),
        "/text": ({},),
        "/text/format/type": ("text",),
        "/text/format/strict": (False,),
        "/text/verbosity": ("medium",),
        "/tool_choice": ("auto", "none"),
        "/tool_choice/mode": ("auto",),
        "/background": (False,),
        "/stream_options/include_obfuscation": (False,),
        "/tools/#/parameters": ({"type": "object", "properties": {}}, {}),
        "/tools/#/strict": (False,),
        "/tools/#/tools/#/parameters": ({"type": "object", "properties": {}}, {}),
        "/tools/#/tools/#/strict": (False,),
        "/top_logprobs": (0,),
        "/top_p": (1,),
        "/truncation": ("disabled",),
    },
    "anthropic_messages": {
        "/metadata": ({},),
        "/messages/#/content/#/citations": ({"enabled": False}, {}),
        "/messages/#/content/#/citations/enabled": (False,),
        "/messages/#/content/#/content": ([],),
        "/messages/#/content/#/content/#/citations": ({"enabled": False}, {}),
        "/messages/#/content/#/content/#/citations/enabled": (False,),
        "/messages/#/content/#/is_error": (False,),
        "/output_config": ({},),
        "/service_tier": ("auto", "standard_only"),
        "/stop_sequences": ([],),
        "/system": ("",),
        "/messages/#/content/#/source/media_type": ("text/plain",),  # the only one that a text may have
        "/tools/#/allowed_callers/#": ("direct",),
        "/stream": (False,),
        "/temperature": (1,),
        "/tool_choice/type": ("auto", "none"),
        "/tools/#/strict": (False,),
        "/top_p": (1,),
    },
    "gemini": {
        "/contents/#/parts/#/functionCall/args": ({},),
        "/contents/#/parts/#/functionResponse/response": ({},),
        "/contents/#/parts/#/text": ("",),
        "/contents/#/parts/#/thought": (False,),
        "/systemInstruction/role": ("system",),
        "/model": ("models/m",),  # that of the URL counts
        "/generationConfig/responseModalities/#": ("TEXT",),
        "/contents/#/role": ("user",),
        "/generationConfig": ({},),
        "/generationConfig/candidateCount": (1,),
        "/generationConfig/frequencyPenalty": (0,),
        "/generationConfig/presencePenalty": (0,),
        "/generationConfig/responseLogprobs": (False,),
        "/generationConfig/logprobs": (0,),
        "/generationConfig/temperature": (1,),
        "/generationConfig/topP": (1,),
        "/generationConfig/thinkingConfig": ({},),
        "/generationConfig/responseMimeType": ("text/plain",),
        "/toolConfig/functionCallingConfig/mode": ("AUTO", "NONE"),
        "/tools/#": ({},),
        "/tools/#/functionDeclarations/#/parametersJsonSchema": ({"type": "object", "properties": {}}, {}),
    },
    "ollama": {
        "/messages/#/content": ("",),
        "/messages/#/tool_calls/#/function/arguments": ({},),
        "/messages/#/tool_calls/#/function/index": (0,),
        "/options": ({},),
        "/options/num_predict": (-1,),  # no limit
        "/options/presence_penalty": (0,),
        "/options/frequency_penalty": (0,),
        "/options/temperature": (1,),
        "/options/top_p": (1,),
        "/options/min_p": (0,),
        "/logprobs": (False,),
        "/stream": (True,),
        "/tools/#/function/parameters": ({"type": "object", "properties": {}}, {}),
    },
}

# What other members say as well, so that only another value of it would matter.
_REPEATED: dict[str, tuple[str, ...]] = {
    "ollama": ("tool_call_id", "tool_name"),  # a result and its call are paired by id, by name and by order
    "gemini": ("id", "name"),
    "anthropic_messages": ("effort",),  # a budget says it too
    "openai_responses": ("namespace",),  # an output's is its call's, and a choice's that of the only tool of its name
}

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")

# What the target does, or finds out, without a member for it: for a source, a place and a target the values.
_ANYWAY: dict[tuple[str, str], dict[str, tuple[Any, ...]]] = {
    # Ollama shows the thoughts it has, OpenAI hides them unless asked.
    ("openai_responses", "/reasoning/summary"): {"ollama": ("auto", "detailed")},
    ("openai_responses", "/reasoning/generate_summary"): {"ollama": ("auto",)},
    ("gemini", "/generationConfig/thinkingConfig/includeThoughts"): {"ollama": (True,), "openai_responses": (False,)},
    ("anthropic_messages", "/thinking/display"): {"ollama": ("summarized",), "openai_responses": ("omitted",)},
    # An image's own bytes say what it is.
    ("gemini", "/contents/#/parts/#/inlineData/mimeType"): {"ollama": _IMAGES},
    ("anthropic_messages", "/messages/#/content/#/source/media_type"): {"ollama": _IMAGES},
}
_ENFORCED = ("/response_format/json_schema/strict", "/text/format/strict")  # Anthropic enforces every schema
_SINGLE_ITEM = re.compile(r"/(?:contents|parts|tools|functionDeclarations)(?=$|/(?!#))")  # in place of a list of one
_IN_THE_URL = frozenset({"/model", "/stream"})  # Gemini's


# Which kind of thing it is: of another kind, all that is beside it may count.
KINDS = ("/type", "/role", "/thought", "/mimeType", "/mime_type")


def is_repeated(path: Path, source: str) -> bool:
    if path[-1] == "data" and "reasoning_details" in path:  # Chat's thinking_blocks may say it too
        return True
    return path[-1] in _REPEATED.get(source, ())


# How much may be written. Anthropic has to be told, and is told a default where nobody says it.
_LIMITS = frozenset(
    {
        "/max_completion_tokens",
        "/max_tokens",
        "/max_output_tokens",
        "/generationConfig/maxOutputTokens",
        "/options/num_predict",
    }
)

# Not to think, which a model that cannot think does anyway.
_NO_THOUGHT: dict[str, Any] = {
    "/reasoning_effort": "none",
    "/reasoning/effort": "none",
    "/generationConfig/thinkingConfig/thinkingBudget": 0,
    "/think": False,
}


def says_nothing(body: Any, path: Path, source: str, target: str, can: Capabilities) -> bool:
    """Say whether the member at `path` asks for nothing that the target would not do without it."""
    if source == "gemini":
        body, path = _in_camel_case(body, path)
    value = body
    for step in path:
        value = value[step]
    where = re.sub(r"/\d+(?=/|$)", "/#", "".join(f"/{step}" for step in path))
    if source == "gemini":
        where = _SINGLE_ITEM.sub(r"\g<0>/#", where)
    return (
        value is None
        or where.endswith("/type")  # the format allows one type there, and reads it without: what is in it counts
        or (target == "gemini" and where in _IN_THE_URL)
        or any(value == nothing for nothing in _DEFAULTS[source].get(where, ()))
        or (target == "anthropic_messages" and where in _ENFORCED and value is True)
        or (target == "anthropic_messages" and where in _LIMITS and value == _limit_by_default(can))
        or (_cannot_think(can) and where in _NO_THOUGHT and value == _NO_THOUGHT[where])
        or value in _ANYWAY.get((source, where), {}).get(target, ())
        or _is_implied(body, path, where, value)
        or _is_about_no_tool(body, path, target)
    )


def _limit_by_default(can: Capabilities) -> int:
    return min(can.default_max_output_tokens, can.max_output_tokens or can.default_max_output_tokens)


def _cannot_think(can: Capabilities) -> bool:
    return not can.efforts or not can.thinking


def _in_camel_case(body: Any, path: Path) -> tuple[Any, Path]:
    """Return the body, and the path in it, as the tables above spell Gemini's members."""
    copied = copy.deepcopy(body)
    rename_camel([found for _, found in objects(copied)])
    return copied, tuple(camel_case(step) if isinstance(step, str) else step for step in path)


def _is_implied(body: Any, path: Path, where: str, value: Any) -> bool:
    """Say whether a neighbour says the same."""
    holder = body
    for step in path[:-1]:
        holder = holder[step]
    if where in ("/generationConfig/responseMimeType", "/generationConfig/responseFormat/#/text/mimeType"):
        return value == "application/json" and not holder.keys().isdisjoint(
            ("responseJsonSchema", "responseSchema", "schema")
        )
    if where in _CARRIERS:
        message = holder if where.count("/") == 3 else body["messages"][path[1]]
        return _is_thought_twice(message, where, holder, value)
    if where in ("/reasoning/summary", "/reasoning/generate_summary"):  # no thoughts, nothing to show
        return holder.get("effort") == "none" or holder.get("summary") == holder.get("generate_summary")
    if where == "/messages/#/name" and holder["role"] == "tool":
        calls = [call for message in body["messages"] for call in message.get("tool_calls", ())]
        return any(call["id"] == holder["tool_call_id"] and value == _name_of(call) for call in calls)
    if where == "/input/#/name" and holder.get("type") == "function_call_output":
        calls = [item for item in body["input"] if item.get("type") == "function_call"]
        return any(call["call_id"] == holder["call_id"] and value == call["name"] for call in calls)
    # Whoever fetches a file sees what it is.
    return where.endswith("/fileData/mimeType") and value in (*_IMAGES, "application/pdf")


def _name_of(tool: Any) -> Any:
    """Return the name of Chat's or of Responses' tool, or call."""
    return (tool if "name" in tool else tool.get(tool.get("type"), {})).get("name")


# Where compatible servers tell a message's thoughts. One of them is read; the others may say the same.
_CARRIERS = frozenset(
    {
        "/messages/#/reasoning_content",
        "/messages/#/reasoning",
        "/messages/#/thinking_blocks/#/thinking",
        "/messages/#/thinking_blocks/#/signature",
        "/messages/#/thinking_blocks/#/data",
    }
)


def _is_thought_twice(message: Any, where: str, holder: Any, value: Any) -> bool:
    """Say whether a thought of Chat's is told by another carrier as well."""
    details = message.get("reasoning_details", ())
    if "thinking_blocks" in where:
        token = holder.get("signature") or holder.get("data")
        told = [
            (each.get("text") or each.get("summary") or "", each.get("signature") or each.get("data"))
            for each in details
        ]
        return any(
            text == holder.get("thinking", "") and (token is None or (token == own and token.startswith("trio:")))
            for text, own in told
        )
    read = details or message.get("thinking_blocks", ())
    texts = [each.get("text") or each.get("summary") or each.get("thinking") or "" for each in read]
    other = message.get("reasoning" if where.endswith("_content") else "reasoning_content")
    return value == ("".join(texts) if read else other)


def _is_about_no_tool(body: Any, path: Path, target: str) -> bool:
    """Say whether the member is about calls where there can be none, or of a tool that must not be called."""
    if path[0] not in ("tools", "functions") or target not in ("anthropic_messages", "ollama"):
        return False
    choice = body.get("tool_choice") or body.get("function_call")
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    if calling.get("mode") in ("ANY", "VALIDATED") and "allowedFunctionNames" in calling:
        holder = body
        for step in path[:-1]:
            holder = holder[step]
        allowed = calling["allowedFunctionNames"]
        return (calling["mode"] == "VALIDATED" or len(allowed) > 1) and holder.get("name") not in allowed
    choice = choice or calling.get("mode")
    if choice in ("none", "NONE") or (isinstance(choice, dict) and choice.get("type") == "none"):
        return target == "ollama"
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return False
    return not any(_is_allowed(body, choice, *own) for own in _tools_at(body, path))


Own: TypeAlias = tuple[str | None, str | None]  # a tool's name, and the namespace that it is in


def _tools_at(body: Any, path: Path) -> list[Own]:
    """Return the tools that a member belongs to: those in a namespace share its name and its description."""
    tool = body[path[0]][path[1]]
    if path[0] == "functions":
        return [(tool["name"], None)]
    if tool["type"] != "namespace":
        return [(_name_of(tool), None)]
    within = [tool["tools"][path[3]]] if path[2:3] == ("tools",) and len(path) > 3 else tool["tools"]
    return [(each["name"], tool["name"]) for each in within if each["type"] in ("function", "custom")]


def _is_allowed(body: Any, choice: Any, name: str | None, namespace: str | None) -> bool:
    """Say whether `allowed_tools` has a tool. By its name alone it has any of it, if there is none outside of all."""
    if "allowed_tools" in choice:
        return name in [tool["function"]["name"] for tool in choice["allowed_tools"]["tools"]]
    is_outside = any(tool.get("name") == name for tool in body["tools"] if tool["type"] in ("function", "custom"))
    for entry in choice["tools"]:
        meant = (entry.get("name"), entry.get("namespace", None if is_outside else namespace))
        if (entry["name"] == namespace) if entry["type"] == "namespace" else (meant == (name, namespace)):
            return True
    return False
