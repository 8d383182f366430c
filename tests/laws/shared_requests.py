"""The shared fragment: requests that two dialects can both hold, drawn as such rather than filtered out of others.

A sketch says what is asked for in nobody's words; one function a dialect writes it down. Restrictions by pair are
those of the laws: Ollama takes one text and then images, no choice of tools but auto, and schemas of few keywords;
Responses takes no stop sequences, and no limit below 16 tokens; Gemini and Ollama no strict tools; Chat cannot ask for
thoughts to be shown, and Ollama, which shows them whenever it thinks, not for anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from values import data_url, dumps, images, json_objects, object_schemas, visible_texts, words

MODEL = "a-model"
SCHEMA_NAME = "response"  # what a schema is called where it has no name

Sketch = dict[str, Any]


def bare(turns: list[Any], max_tokens: int = 99) -> Sketch:
    """Return a sketch of nothing but turns."""
    fixed: Sketch = {"system": None, "tools": [], "choice": None, "stop": [], "stream": False, "schema": None}
    return fixed | {"turns": turns, "max_tokens": max_tokens}


@st.composite
def sketches(draw: st.DrawFn, *dialects: str) -> Sketch:
    """Draw a request in the fragment that the dialects share."""
    sides = set(dialects)
    tools = draw(
        st.lists(
            _tools(strict=not sides & {"gemini", "ollama", "openai_responses"}),
            max_size=2,
            unique_by=lambda tool: tool["name"],
        )
    )
    sketch: Sketch = {
        "system": draw(st.none() | visible_texts),
        "turns": draw(_turns([tool["name"] for tool in tools], plain="ollama" in sides)),
        "tools": tools,
        "choice": None,
        "max_tokens": draw(st.integers(16 if "openai_responses" in sides else 1, 4096)),
        "stop": [] if "openai_responses" in sides else draw(st.lists(visible_texts, max_size=4, unique=True)),
        "stream": draw(st.booleans()),
        "schema": draw(
            st.none() | (object_schemas().map(closed) if "anthropic_messages" in sides else object_schemas())
        ),
    }
    if tools:
        choices: list[Any] = [None, "auto"]
        if "ollama" in sides:
            choices = [None]
        else:
            choices += ["none", "required", ("one", tools[0]["name"])]
        sketch["choice"] = draw(st.sampled_from(choices))
    # Anthropic thinks at no temperature but 1, and not while it is made to call; by a budget, not about the results of
    # calls that follow no thought of its own, which no other dialect has.
    may_think = "anthropic_messages" not in sides or sketch["turns"][-1][0] != "results"
    think = sketch["choice"] in (None, "auto", "none") and may_think and draw(st.booleans())
    if think:
        sketch["effort"] = draw(st.sampled_from(("low", "medium", "high")))
        sketch["shown"] = "openai_chat" not in sides and draw(st.booleans())
        sketch["max_tokens"] += 8192
    else:
        sketch["temperature"] = draw(st.none() | st.sampled_from((0.0, 0.25, 0.7, 1.0)))
        sketch["top_p"] = draw(st.none() | st.sampled_from((0.1, 0.95, 1.0)))
    return sketch


@st.composite
def _tools(draw: st.DrawFn, strict: bool) -> dict[str, Any]:
    tool = {
        "name": draw(words),
        "description": draw(st.none() | visible_texts),
        "parameters": draw(object_schemas()),
    }
    if strict:
        tool["strict"] = draw(st.sampled_from((None, True)))
        if tool["strict"]:
            tool["parameters"] = closed(tool["parameters"])
    return tool


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an object's schema as Anthropic enforces it; so does OpenAI that of a strict tool."""
    return schema | {"additionalProperties": False}


@st.composite
def _turns(draw: st.DrawFn, tools: list[str], plain: bool) -> list[Any]:
    """Draw turns that alternate, begin with the user and end with the user or with results."""
    turns: list[Any] = [("user", draw(_user(plain)))]
    for round_ in range(draw(st.integers(0, 2))):
        names = draw(st.lists(st.sampled_from(tools), max_size=2)) if tools else []
        text = draw(visible_texts if not names else st.none() | visible_texts)
        calls = [(f"call_{round_}{place}", name, draw(json_objects)) for place, name in enumerate(names)]
        turns.append(("assistant", text, calls))
        if calls:
            turns.append(("results", [(id_, name, draw(visible_texts)) for id_, name, _ in calls]))
        else:
            turns.append(("user", draw(_user(plain))))
    return turns


@st.composite
def _user(draw: st.DrawFn, plain: bool) -> list[Any]:
    if plain:
        return [("text", draw(visible_texts)), *(("image", image) for image in draw(st.lists(images(), max_size=2)))]
    part = st.tuples(st.just("text"), visible_texts) | st.tuples(st.just("image"), images())
    parts = draw(st.lists(part, min_size=1, max_size=3))
    if all(kind == "image" for kind, _ in parts):
        parts.append(("text", draw(visible_texts)))
    return parts


def openai_chat(sketch: Sketch) -> dict[str, Any]:
    messages: list[Any] = [{"role": "system", "content": sketch["system"]}] if sketch["system"] else []
    for kind, *rest in sketch["turns"]:
        if kind == "user":
            parts = [
                {"type": "text", "text": value}
                if what == "text"
                else {"type": "image_url", "image_url": {"url": data_url(value)}}
                for what, value in rest[0]
            ]
            only_text = len(parts) == 1 and parts[0]["type"] == "text"
            messages.append({"role": "user", "content": parts[0]["text"] if only_text else parts})
        elif kind == "assistant":
            message: dict[str, Any] = {"role": "assistant", "content": rest[0]}
            if rest[1]:
                message["tool_calls"] = [
                    {"id": id_, "type": "function", "function": {"name": name, "arguments": dumps(args).decode()}}
                    for id_, name, args in rest[1]
                ]
            messages.append(message)
        else:
            messages += [{"role": "tool", "tool_call_id": id_, "content": text} for id_, _, text in rest[0]]
    body: dict[str, Any] = {"model": MODEL, "messages": messages, "max_completion_tokens": sketch["max_tokens"]}
    body |= _common(sketch, effort="reasoning_effort")
    if sketch["stop"]:
        body["stop"] = sketch["stop"]
    if sketch["tools"]:
        body["tools"] = [{"type": "function", "function": _without_nulls(tool)} for tool in sketch["tools"]]
    if (choice := sketch["choice"]) is not None:
        body["tool_choice"] = (
            choice if isinstance(choice, str) else {"type": "function", "function": {"name": choice[1]}}
        )
    if sketch["schema"] is not None:
        wanted = {"name": SCHEMA_NAME, "schema": sketch["schema"]}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if sketch["stream"]:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def openai_responses(sketch: Sketch) -> dict[str, Any]:
    items: list[Any] = []
    for kind, *rest in sketch["turns"]:
        if kind == "user":
            content = [
                {"type": "input_text", "text": value}
                if what == "text"
                else {"type": "input_image", "image_url": data_url(value)}
                for what, value in rest[0]
            ]
            items.append({"type": "message", "role": "user", "content": content})
        elif kind == "assistant":
            if rest[0]:
                items.append(
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": rest[0], "annotations": []}],
                    }
                )
            items += [
                {"type": "function_call", "call_id": id_, "name": name, "arguments": dumps(args).decode()}
                for id_, name, args in rest[1]
            ]
        else:
            items += [{"type": "function_call_output", "call_id": id_, "output": text} for id_, _, text in rest[0]]
    body: dict[str, Any] = {"model": MODEL, "input": items, "max_output_tokens": sketch["max_tokens"], "store": False}
    body |= _common(sketch)
    if sketch.get("effort"):
        body["reasoning"] = {"effort": sketch["effort"]} | ({"summary": "auto"} if sketch["shown"] else {})
    if sketch["system"]:
        body["instructions"] = sketch["system"]
    if sketch["tools"]:
        body["tools"] = [{"type": "function", "strict": False} | _without_nulls(tool) for tool in sketch["tools"]]
    if (choice := sketch["choice"]) is not None:
        body["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", "name": choice[1]}
    if sketch["schema"] is not None:
        body["text"] = {"format": {"type": "json_schema", "name": SCHEMA_NAME, "schema": sketch["schema"]}}
    if sketch["stream"]:
        body["stream"] = True
    return body


def anthropic_messages(sketch: Sketch) -> dict[str, Any]:
    messages: list[Any] = []
    for kind, *rest in sketch["turns"]:
        if kind == "user":
            content = [
                {"type": "text", "text": value}
                if what == "text"
                else {"type": "image", "source": {"type": "base64", "media_type": value[0], "data": value[1]}}
                for what, value in rest[0]
            ]
            messages.append({"role": "user", "content": content})
        elif kind == "assistant":
            content = [{"type": "text", "text": rest[0]}] if rest[0] else []
            content += [{"type": "tool_use", "id": id_, "name": name, "input": args} for id_, name, args in rest[1]]
            messages.append({"role": "assistant", "content": content})
        else:
            results = [{"type": "tool_result", "tool_use_id": id_, "content": text} for id_, _, text in rest[0]]
            messages.append({"role": "user", "content": results})
    body: dict[str, Any] = {"model": MODEL, "messages": messages, "max_tokens": sketch["max_tokens"]}
    body |= _common(sketch)
    if sketch["system"]:
        body["system"] = sketch["system"]
    if sketch["stop"]:
        body["stop_sequences"] = sketch["stop"]
    if sketch["tools"]:
        body["tools"] = [
            _without_nulls({key: tool.get(key) for key in ("name", "description", "strict")})
            | {"input_schema": tool["parameters"]}
            for tool in sketch["tools"]
        ]
    if (choice := sketch["choice"]) is not None:
        kinds = {"auto": "auto", "none": "none", "required": "any"}
        body["tool_choice"] = (
            {"type": kinds[choice]} if isinstance(choice, str) else {"type": "tool", "name": choice[1]}
        )
    if sketch.get("effort"):
        budget = {"low": 1024, "medium": 2048, "high": 4096}[sketch["effort"]]
        shown = {"display": "summarized"} if sketch["shown"] else {}
        body["thinking"] = {"type": "enabled", "budget_tokens": budget} | shown
    if sketch["schema"] is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": sketch["schema"]}}
    if sketch["stream"]:
        body["stream"] = True
    return body


def gemini(sketch: Sketch) -> dict[str, Any]:
    contents: list[Any] = []
    for kind, *rest in sketch["turns"]:
        if kind == "user":
            parts: list[Any] = [
                {"text": value} if what == "text" else {"inlineData": {"mimeType": value[0], "data": value[1]}}
                for what, value in rest[0]
            ]
            contents.append({"role": "user", "parts": parts})
        elif kind == "assistant":
            parts = [{"text": rest[0]}] if rest[0] else []
            parts += [{"functionCall": {"id": id_, "name": name, "args": args}} for id_, name, args in rest[1]]
            contents.append({"role": "model", "parts": parts})
        else:
            parts = [
                {"functionResponse": {"id": id_, "name": name, "response": {"output": text}}}
                for id_, name, text in rest[0]
            ]
            contents.append({"role": "user", "parts": parts})
    config: dict[str, Any] = {"maxOutputTokens": sketch["max_tokens"]}
    for field, name in (("temperature", "temperature"), ("top_p", "topP")):
        if sketch.get(field) is not None:
            config[name] = sketch[field]
    if sketch["stop"]:
        config["stopSequences"] = sketch["stop"]
    if sketch.get("effort"):
        shown = {"includeThoughts": True} if sketch["shown"] else {}
        config["thinkingConfig"] = {"thinkingLevel": sketch["effort"].upper()} | shown
    if sketch["schema"] is not None:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": sketch["schema"]}
    body: dict[str, Any] = {"contents": contents, "generationConfig": config}
    if sketch["system"]:
        body["systemInstruction"] = {"parts": [{"text": sketch["system"]}]}
    if sketch["tools"]:
        declared = [
            _without_nulls({key: tool.get(key) for key in ("name", "description")})
            | {"parametersJsonSchema": tool["parameters"]}
            for tool in sketch["tools"]
        ]
        body["tools"] = [{"functionDeclarations": declared}]
    if (choice := sketch["choice"]) is not None:
        modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
        calling = (
            {"mode": modes[choice]} if isinstance(choice, str) else {"mode": "ANY", "allowedFunctionNames": [choice[1]]}
        )
        body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def ollama(sketch: Sketch) -> dict[str, Any]:
    messages: list[Any] = [{"role": "system", "content": sketch["system"]}] if sketch["system"] else []
    for kind, *rest in sketch["turns"]:
        if kind == "user":
            found = [value[1] for what, value in rest[0] if what == "image"]
            message: dict[str, Any] = {
                "role": "user",
                "content": "\n".join(value for what, value in rest[0] if what == "text"),
            }
            messages.append(message | ({"images": found} if found else {}))
        elif kind == "assistant":
            message = {"role": "assistant", "content": rest[0] or ""}
            if rest[1]:
                message["tool_calls"] = [
                    {"id": id_, "function": {"index": place, "name": name, "arguments": args}}
                    for place, (id_, name, args) in enumerate(rest[1])
                ]
            messages.append(message)
        else:
            messages += [
                {"role": "tool", "content": text, "tool_name": name, "tool_call_id": id_} for id_, name, text in rest[0]
            ]
    options: dict[str, Any] = {"num_predict": sketch["max_tokens"]}
    for field in ("temperature", "top_p"):
        if sketch.get(field) is not None:
            options[field] = sketch[field]
    if sketch["stop"]:
        options["stop"] = sketch["stop"]
    body: dict[str, Any] = {"model": MODEL, "messages": messages, "options": options, "stream": sketch["stream"]}
    if sketch["tools"]:
        body["tools"] = [{"type": "function", "function": _without_nulls(tool)} for tool in sketch["tools"]]
    if sketch.get("effort"):
        body["think"] = sketch["effort"]
    if sketch["schema"] is not None:
        body["format"] = sketch["schema"]
    return body


def _common(sketch: Sketch, effort: str | None = None) -> dict[str, Any]:
    found = {name: sketch.get(name) for name in ("temperature", "top_p")}
    if effort is not None:
        found[effort] = sketch.get("effort")
    return _without_nulls(found)


def _without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


WRITE: dict[str, Callable[[Sketch], dict[str, Any]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "ollama": ollama,
}


def shared_requests(source: str, target: str) -> st.SearchStrategy[bytes]:
    """Return requests of `source`, as bytes, in the fragment it shares with `target`."""
    return sketches(source, target).map(lambda sketch: dumps(WRITE[source](sketch)))
