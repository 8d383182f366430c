"""What requests hold seldom: members and messages that formats have, and no other generator draws, one at a time.

Each is put into a request that is drawn: members are joined into its own, whole messages come anywhere between its own.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Body = dict[str, Any]

_PNG, _PDF, _WAV = "iVBORw0KGgo=", "JVBERi0xLjQK", "UklGRg=="
_SCHEMA = {"type": "object", "properties": {}}

_MEMBERS: dict[str, tuple[Body, ...]] = {
    "openai_chat": (
        {"max_tokens": 5},
        {"user": "u1"},
        {"stream_options": {"include_usage": True}, "stream": True},
        {"prompt_cache_retention": "24h"},
        {"prompt_cache_options": {"ttl": "1h"}},
        {"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"modalities": ["text"]},
        {"web_search_options": {"search_context_size": "low"}},
        {"tool_choice": {"type": "custom", "custom": {"name": "search"}}},
        {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}]},
        {
            "tools": [
                {
                    "type": "custom",
                    "custom": {
                        "name": "c",
                        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
                    },
                }
            ]
        },
    ),
    "openai_responses": (
        {"user": "u1"},
        {"background": False},
        {"stream_options": {"include_obfuscation": False}},
        {"prompt_cache_retention": "24h"},
        {"prompt_cache_options": {"ttl": "1h"}},
        {"context_management": [{"type": "compaction", "compact_threshold": 1000}]},
        {"include": ["message.output_text.logprobs"]},
        {"include": ["file_search_call.results"]},
        {"reasoning": {"effort": "low", "generate_summary": "auto"}},
        {"reasoning": {"effort": "low", "context": "all"}},
        {"tool_choice": {"type": "web_search"}},
        {"tool_choice": {"type": "custom", "name": "search"}},
        {
            "tools": [
                {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
            ]
        },
        {"tools": [{"type": "function", "name": "f", "parameters": None, "strict": None, "defer_loading": True}]},
    ),
    "anthropic_messages": (
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"context_management": {"edits": []}},
        {"inference_geo": "us"},
        {"thinking": {"type": "between_tools"}},
        {"output_config": {"effort": "xhigh"}},
        {"output_config": {"task_budget": {"type": "tokens", "total": 5}}},
        {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        {"stop_sequences": []},
        {"system": ""},
        {"tools": [{"name": "f", "input_schema": _SCHEMA, "defer_loading": True, "input_examples": [{}]}]},
        {"tools": [{"name": "f", "input_schema": _SCHEMA, "allowed_callers": ["direct"], "type": "custom"}]},
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
    ),
    "gemini": (
        {"serviceTier": "flex"},
        {"store": True},
        {"model": "models/m"},
        {"systemInstruction": {"role": "system"}},
        {"generationConfig": {"responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}},
        {"generationConfig": {"responseFormat": [{"text": {"mimeType": "application/json", "schema": _SCHEMA}}]}},
        {"generationConfig": {"responseFormat": [{"text": {"mimeType": "text/csv"}}]}},
        {"generationConfig": {"audioTimestamp": True}},
        {"generationConfig": {"speechConfig": {"languageCode": "de"}}},
        {"generationConfig": {"imageConfig": {"aspectRatio": "1:1"}}},
        {"generationConfig": {"responseModalities": ["TEXT"]}},
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["search"]}}},
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["search", "get_weather"]}}},
        {"toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["search"]}}},
        {"toolConfig": {"functionCallingConfig": {"streamFunctionCallArguments": True}}},
        {"toolConfig": {"retrievalConfig": {"languageCode": "de"}}},
        {"tools": [{"codeExecution": {}}]},
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parameters": {
                                "type": "OBJECT",
                                "properties": {"a": {"type": "INTEGER", "format": "int32", "maximum": 9}},
                            },
                            "response": {"type": "OBJECT"},
                            "behavior": "BLOCKING",
                        }
                    ]
                }
            ]
        },
    ),
    "ollama": (
        {"options": {"num_keep": 1}},
        {"options": {"repeat_penalty": 1.1}},
        {"options": {"typical_p": 0.5}},
        {"options": {"use_mmap": True}},
        {"shift": False},
        {"logprobs": True, "top_logprobs": 3},
        {"think": "max"},
    ),
}


def _result(**members: Any) -> Body:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", **members}]}


def _says(*blocks: Body) -> Body:
    return {"role": "user", "content": [*blocks, {"type": "text", "text": "a"}]}


def _model(*parts: Body) -> Body:
    return {"role": "model", "parts": list(parts)}


def _user(*parts: Body) -> Body:
    return {"role": "user", "parts": list(parts)}


def _document(**source: Any) -> Body:
    return {"type": "document", "source": source}


_MESSAGES: dict[str, tuple[Body, ...]] = {
    "openai_chat": (
        _says({"type": "file", "file": {"file_id": "file_1"}}),
        _says({"type": "file", "file": {"file_data": _PDF}}),
        _says({"type": "input_audio", "input_audio": {"data": _WAV, "format": "mp3"}}),
        {"role": "assistant", "content": [{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "n"}]},
        {
            "role": "assistant",
            "content": "x",
            "reasoning_details": [{"type": "reasoning.text", "text": "t", "id": "rs_1", "format": "x", "index": 0}],
        },
        {"role": "assistant", "content": "x", "reasoning_details": [{"type": "reasoning.unknown", "text": "t"}]},
        {"role": "tool", "tool_call_id": "call_1", "name": "search", "content": "r"},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PNG}"}}],
        },
    ),
    "openai_responses": (
        {"type": "message", "role": "assistant", "content": "x"},
        {
            "role": "user",
            "content": [{"type": "input_file", "file_url": "https://x/y.pdf"}, {"type": "input_text", "text": "a"}],
        },
        {"role": "user", "content": [{"type": "input_image", "file_id": "f"}, {"type": "input_text", "text": "a"}]},
        {"role": "user", "content": [{"type": "input_file", "file_id": "f"}, {"type": "input_text", "text": "a"}]},
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "s"}],
            "content": [{"type": "reasoning_text", "text": "t"}],
        },
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "x", "id": "y"},
        {"type": "function_call_output", "call_id": "call_1", "output": "x", "name": "search", "status": "incomplete"},
        {"type": "image_generation_call", "id": "i", "status": "completed", "result": "x"},
        {"type": "compaction", "encrypted_content": "x"},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "x",
                    "annotations": [{"type": "file_citation", "file_id": "f", "index": 0, "filename": "x"}],
                    "logprobs": [{"token": "x", "logprob": 0, "bytes": [120], "top_logprobs": []}],
                }
            ],
        },
    ),
    "anthropic_messages": (
        {"role": "system", "content": "s"},
        _says(_document(type="text", media_type="text/plain", data="hello")),
        _says(_document(type="text", media_type="text/plain", data="hello") | {"title": "t", "context": "c"}),
        _says(_document(type="content", content="x")),
        _says(_document(type="content", content=[{"type": "text", "text": "x"}])),
        _says(_document(type="file", file_id="f")),
        _says(_document(type="url", url="https://x/y.pdf")),
        _says({"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}),
        _says({"type": "image", "source": {"type": "file", "file_id": "f"}}),
        _says({"type": "container_upload", "file_id": "f"}),
        _result(content=[_document(type="base64", media_type="application/pdf", data=_PDF)]),
        _result(
            content=[{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}]
        ),
        _result(content=[{"type": "tool_reference", "tool_name": "f"}]),
        _result(toolset_name="x"),
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}},
                {"type": "text", "text": "a"},
            ],
        },
    ),
    "gemini": (
        _user({"inlineData": {"mimeType": "image/png", "data": _PNG, "displayName": "n"}}),
        _user({"inlineData": {"mimeType": "video/mp4", "data": _PNG}, "videoMetadata": {"fps": 1}}, {"text": "a"}),
        _user({"fileData": {"mimeType": "application/pdf", "fileUri": "https://x/y"}}, {"text": "a"}),
        _user({"inlineData": {"mimeType": "audio/wav", "data": _WAV}}, {"text": "a"}),
        _user({"inlineData": {"mimeType": "text/plain", "data": "aGVsbG8="}}),
        _user({"text": "x", "partMetadata": {"a": 1}}),
        _user({"functionResponse": {"name": "search", "response": {"error": "x"}, "willContinue": True}}),
        _user(
            {
                "functionResponse": {
                    "name": "search",
                    "response": {"result": "x"},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": _PNG}}],
                }
            }
        ),
        _model({"functionCall": {"name": "f", "willContinue": True}}),
        _model({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "x"}}),
        _model({"inlineData": {"mimeType": "image/png", "data": _PNG}}),
        _model({"text": "", "thoughtSignature": "c2ln"}),
    ),
    "ollama": (
        {"role": "assistant", "content": "x", "images": [_PNG]},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"index": 0, "name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "r", "tool_name": "f", "images": [_PNG]},
    ),
}
_HISTORY = {"openai_responses": "input", "gemini": "contents"}


@st.composite
def with_something_seldom(draw: st.DrawFn, name: str, bodies: st.SearchStrategy[Body]) -> Body:
    """Draw a request with one member, one message, or nothing that is seldom."""
    body = draw(bodies)
    kind = draw(st.sampled_from(("nothing", "nothing", "member", "message")))
    if kind == "member":
        return _joined(body, draw(st.sampled_from(_MEMBERS[name])))
    history = _HISTORY.get(name, "messages")
    if kind == "message" and isinstance(body[history], list):
        place = draw(st.integers(0, len(body[history])))
        message = draw(st.sampled_from(_MESSAGES[name]))
        return {**body, history: [*body[history][:place], message, *body[history][place:]]}
    return body


def _joined(one: Any, other: Any) -> Any:
    """Return the first with all that the other says, which has the last word."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{name: _joined(one.get(name), value) for name, value in other.items()}}
    return [*one, *other] if isinstance(one, list) and isinstance(other, list) and other else other
