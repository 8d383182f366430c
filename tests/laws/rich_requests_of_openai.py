"""Requests of Chat and of Responses with everything their format has, each member by its own chance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from request_values import MODEL, ids, image_urls, members, namespaces, numbers, some, tokens, tool_names, ttls
from values import bad_arguments, good_arguments, pdfs, texts, wild_schemas, words

# ----------------------------------------------------------------------------------------------------- Chat

_breakpoints = members({"mode": "explicit"}, ttl=st.sampled_from(("30m", "12h")))
_chat_parts = st.one_of(
    members(
        {"type": "text", "text": texts},
        prompt_cache_breakpoint=_breakpoints,
        cache_control=members({"type": "ephemeral"}, ttl=ttls),
    ),
    members(
        {
            "type": "image_url",
            "image_url": members({"url": image_urls}, detail=st.sampled_from(("auto", "low", "high"))),
        }
    ),
    members({"type": "input_audio", "input_audio": st.just({"data": "UklGRg==", "format": "wav"})}),
    members(
        {
            "type": "file",
            "file": members({"file_data": pdfs.map("data:application/pdf;base64,{}".format)}, filename=texts),
        }
    ),
    st.just({"type": "hologram", "hologram": {"depth": 3}}),
)
_chat_calls = st.one_of(
    members(
        {
            "id": ids,
            "type": "function",
            "function": st.fixed_dictionaries({"name": tool_names, "arguments": good_arguments | bad_arguments}),
        },
        extra_content=tokens.map(lambda token: {"google": {"thought_signature": token}}),
    ),
    members({"id": ids, "type": "custom", "custom": st.fixed_dictionaries({"name": tool_names, "input": texts})}),
)
_details = st.one_of(
    members({"type": "reasoning.text", "text": texts}, signature=tokens),
    members({"type": "reasoning.summary", "summary": texts}),
    members({"type": "reasoning.encrypted", "data": tokens}),
)
_thinking_blocks = st.one_of(
    members({"type": "thinking", "thinking": texts}, signature=tokens),
    members({"type": "redacted_thinking", "data": tokens}),
)
_legacy_calls = st.fixed_dictionaries({"name": tool_names, "arguments": good_arguments | bad_arguments})
_annotations = members(
    {
        "type": "url_citation",
        "url_citation": members(
            {"url": "https://a.b", "start_index": st.integers(0, 2), "end_index": st.integers(3, 4)}, title=texts
        ),
    }
)
_chat_messages = st.one_of(
    members(
        {
            "role": st.sampled_from(("system", "developer")),
            "content": texts | some(members({"type": "text", "text": texts}), 1),
        },
        name=words,
    ),
    members({"role": "user", "content": texts | some(_chat_parts, 1, 3)}, name=words),
    members(
        {"role": "assistant", "content": st.none() | texts | some(members({"type": "text", "text": texts}), 1)},
        name=words,
        refusal=texts,
        annotations=some(_annotations, 0, 2),
        audio=st.just({"id": "audio_1"}),
        tool_calls=some(_chat_calls, 1),
        function_call=_legacy_calls,
        reasoning_content=texts,
        reasoning=texts,
        reasoning_details=some(_details, 1),
        thinking_blocks=some(_thinking_blocks, 1),
    ),
    members(
        {"role": "tool", "tool_call_id": ids, "content": texts | some(members({"type": "text", "text": texts}), 1)}
    ),
    members({"role": "function", "name": tool_names, "content": texts}),
)
_functions = members({"name": tool_names}, description=texts, parameters=wild_schemas)
_chat_tools = st.one_of(
    members(
        {
            "type": "function",
            "function": members({"name": tool_names}, description=texts, parameters=wild_schemas, strict=st.booleans()),
        }
    ),
    members({"type": "custom", "custom": members({"name": tool_names}, description=texts)}),
)
_allowing = st.sampled_from(("auto", "required"))
_chat_choices = st.one_of(
    st.sampled_from(("auto", "none", "required")),
    tool_names.map(lambda name: {"type": "function", "function": {"name": name}}),
    st.builds(
        lambda mode, tools: {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}},
        _allowing,
        some(tool_names.map(lambda name: {"type": "function", "function": {"name": name}}), 1),
    ),
)
_formats = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    members(
        {
            "type": "json_schema",
            "json_schema": members({"name": words, "schema": wild_schemas}, strict=st.booleans(), description=texts),
        }
    ),
)
_openai_shared: dict[str, st.SearchStrategy[Any]] = {
    "temperature": numbers,
    "top_p": numbers.filter(lambda number: number <= 1),
    "parallel_tool_calls": st.booleans(),
    "top_logprobs": st.integers(0, 3),
    "store": st.booleans(),
    "service_tier": st.sampled_from(("auto", "default", "flex", "priority")),
    "safety_identifier": texts,
    "prompt_cache_key": texts,
    "metadata": st.dictionaries(words, texts, max_size=1),
    "stream": st.booleans(),
}
openai_chat: st.SearchStrategy[dict[str, Any]] = members(
    {"model": MODEL, "messages": some(_chat_messages, 1, 4)},
    **_openai_shared,
    max_completion_tokens=st.integers(1, 9000),
    stop=texts | some(texts, 1),
    n=st.integers(1, 2),
    seed=st.integers(0, 9),
    presence_penalty=numbers,
    frequency_penalty=numbers,
    logit_bias=st.sampled_from(({}, {"50256": -100})),
    logprobs=st.booleans(),
    reasoning_effort=st.sampled_from(("none", "minimal", "low", "medium", "high", "xhigh")),
    verbosity=st.sampled_from(("low", "medium", "high")),
    response_format=_formats,
    tools=some(_chat_tools, 1),
    tool_choice=_chat_choices,
    functions=some(_functions, 1),
    function_call=st.sampled_from(("auto", "none")) | tool_names.map(lambda name: {"name": name}),
    prediction=st.just({"type": "content", "content": "x"}),
    modalities=st.just(["text", "audio"]),
    web_search_options=st.just({}),
)

# ------------------------------------------------------------------------------------------------ Responses

_input_parts = st.one_of(
    members({"type": "input_text", "text": texts}, prompt_cache_breakpoint=_breakpoints),
    members({"type": "input_image", "image_url": image_urls}, detail=st.sampled_from(("auto", "low", "high"))),
    members({"type": "input_file", "file_data": pdfs.map("data:application/pdf;base64,{}".format)}, filename=texts),
    st.just({"type": "input_hologram", "depth": 3}),
)
_output_parts = st.one_of(
    members(
        {
            "type": "output_text",
            "text": texts,
            "annotations": some(
                st.just({"type": "url_citation", "url": "https://a.b", "title": "t", "start_index": 0, "end_index": 1}),
                0,
                1,
            ),
        }
    ),
    members({"type": "refusal", "refusal": texts}),
)
_items = st.one_of(
    members({"role": st.sampled_from(("user", "system", "developer")), "content": texts | some(_input_parts, 1, 3)}),
    members(
        {"type": "message", "role": "assistant", "content": some(_output_parts, 1)},
        id=st.just("msg_1"),
        status=st.just("completed"),
        phase=st.just("commentary"),
    ),
    members(
        {"type": "function_call", "call_id": ids, "name": tool_names, "arguments": good_arguments | bad_arguments},
        id=st.just("fc_1"),
        namespace=namespaces,
    ),
    members({"type": "custom_tool_call", "call_id": ids, "name": tool_names, "input": texts}, namespace=namespaces),
    members(
        {"type": "function_call_output", "call_id": ids, "output": texts | some(_input_parts, 1)},
        namespace=namespaces,
    ),
    members(
        {"type": "reasoning", "id": "rs_1", "summary": some(members({"type": "summary_text", "text": texts}))},
        encrypted_content=tokens,
    ),
    st.just({"type": "web_search_call", "id": "ws_1", "status": "completed"}),
)
_plain_response_tools = st.one_of(
    members(
        {"type": "function", "name": tool_names, "parameters": wild_schemas, "strict": st.booleans()}, description=texts
    ),
    members({"type": "custom", "name": tool_names}, description=texts),
    st.just({"type": "web_search"}),
)
_response_tools = _plain_response_tools | members(
    {"type": "namespace", "name": namespaces, "tools": some(_plain_response_tools)}, description=texts
)
_allowed_tools = st.one_of(
    members({"type": st.sampled_from(("function", "custom")), "name": tool_names}, namespace=namespaces),
    members({"type": "namespace", "name": namespaces}),
    st.just({"type": "web_search"}),
)
openai_responses: st.SearchStrategy[dict[str, Any]] = members(
    {"model": MODEL, "input": texts | some(_items, 1, 4)},
    **_openai_shared,
    instructions=texts,
    max_output_tokens=st.integers(1, 9000),
    reasoning=members(
        {},
        effort=st.sampled_from(("none", "low", "medium", "high", "xhigh")),
        summary=st.sampled_from(("auto", "detailed")),
    ),
    text=members(
        {},
        verbosity=st.sampled_from(("low", "medium", "high")),
        format=_formats.map(lambda f: {"type": f["type"], **f.get("json_schema", {})}),
    ),
    tools=some(_response_tools, 1),
    tool_choice=st.sampled_from(("auto", "none", "required"))
    | members({"type": "function", "name": tool_names}, namespace=namespaces)
    | members({"type": "allowed_tools", "mode": _allowing, "tools": some(_allowed_tools, 1)}),
    include=st.just(["reasoning.encrypted_content"]),
    truncation=st.sampled_from(("auto", "disabled")),
    max_tool_calls=st.integers(1, 3),
)
