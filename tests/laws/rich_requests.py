"""Requests with everything their format has, unknown members and parts too. Requests that are refused are among them.

Every member is there or not by its own chance, so that each is seen alone and with the others. Tool results answer
calls that were made, mostly; ids are what clients write, mostly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st
from seldom import with_something_seldom
from spellings import either_spelling, snake_case
from values import (
    bad_arguments,
    data_url,
    dumps,
    good_arguments,
    images,
    json_objects,
    pdfs,
    texts,
    wild_schemas,
    words,
)

MODEL = "a-model"

ids = st.sampled_from(("call_1", "call_2", "toolu_3", "a.b:c|d", "fc-4", "x" * 70))
tool_names = st.sampled_from(
    (
        "get_weather",
        "search",
        "mcp.files/read",
        "mcp_x2E_files_x2F_read",
        "tile_x20_y",
        "ünï",
        "n" * 70,
        "n" * 140,
        "9lives",
        "mcp__files__search",
    )
)
namespaces = st.sampled_from(("mcp__files", "mcp__files__", "mcp.files", "search", "ünï", "m" * 70))
numbers = st.sampled_from((0, 0.0, 0.5, 1, 1.0, 1.7))
tokens = st.sampled_from(
    ("c2lnbmF0dXJl", "trio:anthropic_messages:c2ln", "trio:gemini:Z2Vt", "trio:openai_responses:rs_1:enc")
)
image_urls = images().map(data_url) | st.sampled_from(
    ("https://example.com/a.png", "data:image/png;charset=x;base64,iVBORw0KGgo=")
)
ttls = st.sampled_from(("5m", "1h", "30m"))


def members(required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with the `required` members, values or strategies of them, and any of the `optional` ones."""
    always = {
        name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in required.items()
    }
    return st.fixed_dictionaries(always, optional=optional)


def some(item: st.SearchStrategy[Any], least: int = 0, most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(item, min_size=least, max_size=most)


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

# ------------------------------------------------------------------------------------------------ Anthropic

_marks = members({"type": "ephemeral"}, ttl=st.sampled_from(("5m", "1h")))
_sources = st.one_of(
    images().map(lambda image: {"type": "base64", "media_type": image[0], "data": image[1]}),
    st.just({"type": "url", "url": "https://example.com/a.png"}),
)
_citation = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "start_char_index": 0,
    "end_char_index": 1,
}
_text_blocks = members({"type": "text", "text": texts}, cache_control=_marks, citations=st.just([_citation]))
_images = members({"type": "image", "source": _sources}, cache_control=_marks)
_documents = members(
    {
        "type": "document",
        "source": pdfs.map(lambda data: {"type": "base64", "media_type": "application/pdf", "data": data}),
    },
    title=texts,
    context=texts,
    citations=st.just({"enabled": True}),
    cache_control=_marks,
)
_quotations = st.one_of(
    members(
        {
            "type": "document",
            "source": members({"type": "content", "content": texts | some(_text_blocks | _images)}),
        },
        title=texts,
        context=texts,
        citations=st.sampled_from(({"enabled": True}, {"enabled": False}, {})),
        cache_control=_marks,
    ),
    members(
        {"type": "search_result", "title": texts, "source": texts, "content": some(_text_blocks)},
        citations=st.just({"enabled": True}),
        cache_control=_marks,
    ),
)
_results = members(
    {"type": "tool_result", "tool_use_id": ids},
    content=texts | some(_text_blocks | _images | _quotations),
    is_error=st.booleans(),
    cache_control=_marks,
)
_anthropic_messages = st.one_of(
    members(
        {
            "role": "user",
            "content": texts | some(st.one_of(_text_blocks, _images, _documents, _quotations, _results), 1, 3),
        }
    ),
    members(
        {
            "role": "assistant",
            "content": texts
            | some(
                st.one_of(
                    _text_blocks,
                    members(
                        {"type": "tool_use", "id": ids, "name": tool_names, "input": json_objects}, cache_control=_marks
                    ),
                    members({"type": "thinking", "thinking": texts, "signature": tokens}),
                    members({"type": "redacted_thinking", "data": tokens}),
                    st.just(
                        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
                    ),
                ),
                1,
                3,
            ),
        }
    ),
)
anthropic_messages: st.SearchStrategy[dict[str, Any]] = members(
    {"model": MODEL, "messages": some(_anthropic_messages, 1, 4), "max_tokens": st.integers(1, 9000)},
    system=texts | some(_text_blocks, 1),
    temperature=numbers.filter(lambda number: number <= 1),
    top_p=numbers.filter(lambda number: number <= 1),
    top_k=st.integers(1, 50),
    stop_sequences=some(texts, 1),
    stream=st.booleans(),
    metadata=texts.map(lambda text: {"user_id": text}),
    service_tier=st.sampled_from(("auto", "standard_only")),
    thinking=st.sampled_from(
        (
            {"type": "enabled", "budget_tokens": 1024},
            {"type": "enabled", "budget_tokens": 3000},
            {"type": "adaptive"},
            {"type": "disabled"},
            {"type": "adaptive", "display": "omitted"},
        )
    ),
    output_config=members(
        {},
        effort=st.sampled_from(("low", "medium", "high", "max")),
        format=wild_schemas.map(lambda schema: {"type": "json_schema", "schema": schema}),
    ),
    tools=some(
        st.one_of(
            members(
                {"name": tool_names, "input_schema": wild_schemas},
                description=texts,
                strict=st.booleans(),
                cache_control=_marks,
            ),
            st.just({"type": "web_search_20250305", "name": "web_search"}),
        ),
        1,
    ),
    tool_choice=st.sampled_from(
        (
            {"type": "auto"},
            {"type": "auto", "disable_parallel_tool_use": True},
            {"type": "any"},
            {"type": "none"},
            {"type": "tool", "name": "search"},
        )
    ),
    container=st.just("c_1"),
    mcp_servers=st.just([{"type": "url", "url": "https://a.b", "name": "m"}]),
)

# --------------------------------------------------------------------------------------------------- Gemini

_blobs = images().map(lambda image: {"mimeType": image[0], "data": image[1]}) | pdfs.map(
    lambda data: {"mimeType": "application/pdf", "data": data}
)
_call_ids = {"id": ids}
_user_parts = st.one_of(
    members({"text": texts}),
    members({"inlineData": _blobs}),
    st.just({"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}}),
    members(
        {
            "functionResponse": members(
                {"name": tool_names, "response": texts.map(lambda text: {"output": text}) | json_objects}, **_call_ids
            )
        }
    ),
    st.just({"hologram": {"depth": 3}}),
)
_model_parts = st.one_of(
    members({"text": texts}, thought=st.booleans(), thoughtSignature=tokens),
    members(
        {"functionCall": members({"name": tool_names, "args": json_objects}, **_call_ids)}, thoughtSignature=tokens
    ),
    st.just({"executableCode": {"language": "PYTHON", "code": "1"}}),
)
_contents = members({"role": "user", "parts": some(_user_parts, 1, 3)}) | members(
    {"role": "model", "parts": some(_model_parts, 1, 3)}
)
_thinking = st.one_of(
    members({"thinkingLevel": st.sampled_from(("MINIMAL", "LOW", "MEDIUM", "HIGH"))}, includeThoughts=st.booleans()),
    members({"thinkingBudget": st.sampled_from((0, -1, 1024, 3000))}),
)
_generation = members(
    {},
    temperature=numbers,
    topP=numbers.filter(lambda number: number <= 1),
    topK=st.sampled_from((1, 40, 1.5)),
    candidateCount=st.integers(1, 2),
    maxOutputTokens=st.integers(1, 9000),
    stopSequences=some(texts, 1),
    seed=st.integers(0, 9),
    presencePenalty=numbers,
    frequencyPenalty=numbers,
    responseMimeType=st.sampled_from(("text/plain", "application/json")),
    responseJsonSchema=wild_schemas,
    responseLogprobs=st.booleans(),
    logprobs=st.integers(0, 3),
    thinkingConfig=_thinking,
    responseModalities=st.just(["TEXT", "IMAGE"]),
    mediaResolution=st.just("MEDIA_RESOLUTION_LOW"),
)
gemini: st.SearchStrategy[dict[str, Any]] = members(
    {"contents": some(_contents, 1, 4)},
    systemInstruction=members({"parts": some(members({"text": texts}), 1)}),
    generationConfig=_generation,
    tools=some(
        st.one_of(
            members(
                {
                    "functionDeclarations": some(
                        members({"name": tool_names}, description=texts, parametersJsonSchema=wild_schemas), 1
                    )
                }
            ),
            st.just({"googleSearch": {}}),
        ),
        1,
    ),
    toolConfig=st.sampled_from(("AUTO", "ANY", "NONE", "VALIDATED")).map(
        lambda mode: {"functionCallingConfig": {"mode": mode}}
    ),
    safetySettings=st.just([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]),
    cachedContent=st.just("cachedContents/1"),
    labels=st.just({"a": "b"}),
)

# --------------------------------------------------------------------------------------------------- Ollama

_ollama_images = some(images().map(lambda image: image[1]), 1)
_ollama_messages = st.one_of(
    members({"role": st.sampled_from(("system", "user")), "content": texts}, images=_ollama_images),
    members(
        {"role": "assistant", "content": st.just("") | texts},
        thinking=texts,
        tool_calls=some(
            members({"function": members({"name": tool_names, "arguments": json_objects})}, **_call_ids), 1
        ),
    ),
    members({"role": "tool", "content": texts}, tool_name=tool_names, tool_call_id=ids),
)
ollama: st.SearchStrategy[dict[str, Any]] = members(
    {"model": MODEL, "messages": some(_ollama_messages, 1, 4)},
    options=members(
        {},
        temperature=numbers,
        top_p=numbers,
        top_k=st.integers(1, 50),
        min_p=numbers,
        seed=st.integers(0, 9),
        num_predict=st.integers(-2, 9000),
        stop=some(texts, 1),
        presence_penalty=numbers,
        frequency_penalty=numbers,
        num_ctx=st.just(4096),
        mirostat=st.just(1),
    ),
    stream=st.booleans(),
    think=st.sampled_from((True, False, "low", "medium", "high")),
    format=wild_schemas | st.just("json"),
    tools=some(
        members(
            {"type": "function", "function": members({"name": tool_names}, description=texts, parameters=wild_schemas)}
        ),
        1,
    ),
    keep_alive=st.sampled_from(("5m", 0)),
    logprobs=st.booleans(),
    truncate=st.booleans(),
)

RICH: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "ollama": ollama,
}

_CLIENTS_OWN = frozenset(
    {
        "parameters",
        "schema",
        "arguments",
        "args",
        "input_schema",
        "parametersJsonSchema",
        "responseJsonSchema",
        "responseSchema",
        "response",
        "format",
        "metadata",
        "logit_bias",
        "labels",
        "hologram",
        "prediction",
        "web_search_options",
        "annotations",
        "citations",
        "safetySettings",
        "mcp_servers",
        "googleSearch",
        "executableCode",
    }
)
# What lies below these is the client's own JSON, in which nothing is unknown.
OPAQUE = _CLIENTS_OWN | frozenset(map(snake_case, _CLIENTS_OWN))
_OPAQUE_TYPES = frozenset(
    {
        "hologram",
        "input_hologram",
        "web_search_call",
        "server_tool_use",
        "web_search",
        "web_search_20250305",
        "bash_20250124",
        "image_generation_call",
        "compaction",
        "container_upload",
        "tool_reference",
    }
)


def objects(value: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a body that belong to the format, each with its pointer."""
    if isinstance(value, dict):
        if value.get("type") in _OPAQUE_TYPES:
            return
        yield at, value
        for name, member in value.items():
            if name not in OPAQUE and not (name == "input" and "tool_use" in str(value.get("type"))):
                yield from objects(member, f"{at}/{name}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from objects(item, f"{at}/{place}")


@st.composite
def sprinkled(draw: st.DrawFn, body: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a body with an unknown member somewhere, now and then."""
    drawn = json.loads(json.dumps(draw(body)))
    if draw(st.integers(0, 3)) == 0:
        _, found = draw(st.sampled_from(list(objects(drawn))))
        found["x_new"] = draw(st.sampled_from((1, "a", {"b": 1}, None)))
    return drawn  # type: ignore[no-any-return]  # JSON of an object is an object


# Where Gemini has a list, a single item is as good.
_SINGLE = frozenset({"contents", "parts", "tools", "functionDeclarations", "stopSequences"})


@st.composite
def _with_single_items(draw: st.DrawFn, body: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a request to Gemini, some of whose lists of one are the item itself."""
    drawn = draw(body)
    chosen = draw(st.just(frozenset[str]()) | st.sets(st.sampled_from(sorted(_SINGLE))))
    for _, holder in list(objects(drawn)):
        for name in chosen & holder.keys():
            if isinstance(holder[name], list) and len(holder[name]) == 1:
                [holder[name]] = holder[name]
    return drawn


@st.composite
def respelled(draw: st.DrawFn, body: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a body of Gemini's with its members in either spelling."""
    drawn = draw(body)
    draw(either_spelling([found for _, found in objects(drawn)]))
    return drawn


def rich_requests(name: str) -> st.SearchStrategy[bytes]:
    """Return requests of the dialect `name`, as bytes; not all of them are taken."""
    drawn = sprinkled(with_something_seldom(name, RICH[name]))
    return (respelled(_with_single_items(drawn)) if name == "gemini" else drawn).map(dumps)


Write = Callable[[dict[str, Any]], bytes]
