"""Requests of Anthropic, Gemini and Ollama with everything their format has, each member by its own chance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from request_values import MODEL, ids, members, numbers, some, tokens, tool_names
from values import images, json_objects, pdfs, texts, wild_schemas

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
