"""Rich answers of Chat and of Responses: sketches, and the two ways to write each."""

from __future__ import annotations

import base64
from typing import Any

from answer_streams import Cut, data_frame, named_frame
from answers import CREATED, Sketch, chat_usage, responses_usage
from hypothesis import strategies as st
from rich_values import (
    Ids,
    Tokens,
    arguments,
    logprobs,
    maybe_text,
    names,
    plant,
    planting,
    plants,
    some,
    spread,
    urls,
    usages,
)
from values import texts

# --------------------------------------------------------------------------------------------------- Chat


@st.composite
def chat_sketches(draw: st.DrawFn) -> Sketch:
    tokens, ids = Tokens(), Ids()
    count = draw(st.sampled_from((1, 1, 1, 2, 3)))
    return {
        "choices": [draw(_chat_choices(tokens, ids)) for _ in range(count)],
        "usage": draw(usages),
        "tier": draw(st.sampled_from((None, "default", "priority"))),
        "fingerprint": draw(st.booleans()),
        "planted": draw(plants),
    }


@st.composite
def _chat_choices(draw: st.DrawFn, tokens: Tokens, ids: Ids) -> Sketch:
    text, refusal = draw(maybe_text), draw(st.sampled_from(("", "", "I cannot.")))
    calls = draw(some(_chat_calls(tokens, ids), 2))
    return {
        "thoughts": draw(_chat_thoughts(tokens)),
        "text": text,
        "annotations": draw(some(_chat_annotations(len(text)), 2)) if text else [],
        "refusal": refusal,
        "audio": draw(st.none() | _chat_audio()),
        "calls": calls,
        "stop": draw(
            st.sampled_from(("stop", "length", "content_filter", "new_reason", *["tool_calls"] * 3 * bool(calls)))
        ),
        "logprobs": draw(st.none() | logprobs()) if text else None,
        "refusal_logprobs": draw(st.none() | logprobs()) if refusal else None,
    }


@st.composite
def _chat_thoughts(draw: st.DrawFn, tokens: Tokens) -> Sketch:
    """Draw thoughts in one of the four ways that servers tell them."""
    way = draw(st.sampled_from(("none", "reasoning_content", "reasoning", "details", "both", "blocks")))
    if way in ("none", "reasoning_content", "reasoning"):
        return {"way": way, "text": draw(texts), "stretches": []}
    stretches = []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            stretches.append({"text": None, "token": tokens.new()})
        else:
            text = draw(maybe_text)
            signed = not text or way == "blocks" or draw(st.booleans())
            stretches.append({"text": text, "token": tokens.new() if signed else None})
    return {"way": way, "text": "".join(stretch["text"] or "" for stretch in stretches), "stretches": stretches}


@st.composite
def _chat_calls(draw: st.DrawFn, tokens: Tokens, ids: Ids) -> Sketch:
    custom = draw(st.sampled_from((False, False, True)))
    return {
        "id": ids.new(),
        "name": draw(names),
        "custom": custom,
        "arguments": draw(maybe_text if custom else arguments),
        "token": tokens.new() if draw(st.sampled_from((False, False, True))) else None,
    }


@st.composite
def _chat_annotations(draw: st.DrawFn, length: int) -> Sketch:
    start = draw(st.integers(0, length))
    citation = {"start_index": start, "end_index": draw(st.integers(start, length)), "title": "A page"}
    page = plant({**citation, "url": draw(urls)}, draw(planting))
    return plant({"type": "url_citation", "url_citation": page}, draw(planting))


@st.composite
def _chat_audio(draw: st.DrawFn) -> Sketch:
    data = base64.b64encode(draw(st.binary(min_size=1, max_size=9))).decode()
    return {"id": "audio_1", "expires_at": CREATED, "data": data, "transcript": draw(texts)}


def _detail(stretch: Sketch, index: int) -> dict[str, Any]:
    if stretch["text"] is None:
        return {"type": "reasoning.encrypted", "data": stretch["token"], "index": index}
    signed = {"signature": stretch["token"]} if stretch["token"] else {}
    return {"type": "reasoning.text", "text": stretch["text"], "index": index, **signed}


def _block(stretch: Sketch) -> dict[str, Any]:
    if stretch["text"] is None:
        return {"type": "redacted_thinking", "data": stretch["token"]}
    return {"type": "thinking", "thinking": stretch["text"], "signature": stretch["token"]}


def chat(sketch: Sketch) -> dict[str, Any]:
    flags = sketch["planted"]
    choices = [_chat_choice(choice, index, flags) for index, choice in enumerate(sketch["choices"])]
    body = plant({**_chat_head(sketch, "chat.completion"), "choices": choices}, flags["root"])
    return body | ({"usage": plant(chat_usage(sketch["usage"]), flags["usage"])} if sketch["usage"] else {})


def _chat_head(sketch: Sketch, kind: str) -> dict[str, Any]:
    head = {"id": "chatcmpl-1", "object": kind, "created": CREATED, "model": "a-model"}
    tier = {"service_tier": sketch["tier"]} if sketch["tier"] else {}
    return {**head, **tier, **({"system_fingerprint": "fp_1"} if sketch["fingerprint"] else {})}


def _chat_choice(choice: Sketch, index: int, flags: Sketch) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice["text"] or None}
    message["refusal"] = choice["refusal"] or None
    thoughts = choice["thoughts"]
    if thoughts["way"] in ("reasoning_content", "reasoning"):
        message[thoughts["way"]] = thoughts["text"]
    elif thoughts["way"] == "blocks":
        message["thinking_blocks"] = [_block(stretch) for stretch in thoughts["stretches"]]
    elif thoughts["stretches"]:
        message["reasoning_details"] = [_detail(stretch, place) for place, stretch in enumerate(thoughts["stretches"])]
        if thoughts["way"] == "both" and thoughts["text"]:
            message["reasoning"] = thoughts["text"]
    if choice["annotations"]:
        message["annotations"] = choice["annotations"]
    if choice["audio"]:
        message["audio"] = choice["audio"]
    if choice["calls"]:
        message["tool_calls"] = [_chat_call(call) for call in choice["calls"]]
    found = {"index": index, "message": plant(message, flags["part"]), "finish_reason": choice["stop"]}
    return plant({**found, "logprobs": _chat_logprobs(choice["logprobs"], choice["refusal_logprobs"])}, flags["choice"])


def _chat_logprobs(content: Any, refusal: Any) -> Any:
    return {"content": content, "refusal": refusal} if content or refusal else None


def _chat_call(call: Sketch) -> dict[str, Any]:
    kind, member = ("custom", "input") if call["custom"] else ("function", "arguments")
    written = {"id": call["id"], "type": kind, kind: {"name": call["name"], member: call["arguments"]}}
    return written | _extra(call)


def _extra(call: Sketch) -> dict[str, Any]:
    return {"extra_content": {"google": {"thought_signature": call["token"]}}} if call["token"] else {}


def chat_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    flags = sketch["planted"]
    head = plant(_chat_head(sketch, "chat.completion.chunk"), flags["root"])
    chunks = cut.turns([_chat_chunks(choice, index, cut, flags) for index, choice in enumerate(sketch["choices"])])
    frames = [data_frame({**head, "choices": [chunk]}) for chunk in chunks]
    if sketch["usage"]:
        usage = plant(chat_usage(sketch["usage"]), flags["usage"])
        frames.append(data_frame({**head, "choices": [], "usage": usage}))
    return [*frames, b"data: [DONE]\n\n"]


def _chat_chunks(choice: Sketch, index: int, cut: Cut, flags: Sketch) -> list[dict[str, Any]]:
    first = plant({"role": "assistant", "content": "", "refusal": None}, flags["part"])
    deltas: list[tuple[dict[str, Any], Any]] = [(first, None)]
    deltas += [(delta, None) for delta in _chat_thought_deltas(choice["thoughts"], cut)]
    texts_ = cut(choice["text"])
    entries = spread(choice["logprobs"] or [], len(texts_))
    deltas += [({"content": text}, _chat_logprobs(some_, None)) for text, some_ in zip(texts_, entries, strict=True)]
    if choice["annotations"]:
        deltas.append(({"annotations": choice["annotations"]}, None))
    refusals = cut(choice["refusal"])
    entries = spread(choice["refusal_logprobs"] or [], len(refusals))
    deltas += [({"refusal": text}, _chat_logprobs(None, some_)) for text, some_ in zip(refusals, entries, strict=True)]
    if audio := choice["audio"]:
        deltas.append(({"audio": {"id": audio["id"]}}, None))
        deltas += [({"audio": {"transcript": piece}}, None) for piece in cut(audio["transcript"])]
        deltas += [({"audio": {"data": piece}}, None) for piece in cut(audio["data"])]
        deltas.append(({"audio": {"expires_at": audio["expires_at"]}}, None))
    calls = [_chat_call_deltas(call, place, cut) for place, call in enumerate(choice["calls"])]
    deltas += [({"tool_calls": [call]}, None) for call in cut.turns(calls)]
    chunks = [{"index": index, "delta": delta, "finish_reason": None, "logprobs": found} for delta, found in deltas]
    chunks.append({"index": index, "delta": {}, "finish_reason": choice["stop"], "logprobs": None})
    return [plant(chunk, flags["choice"]) for chunk in chunks]


def _chat_thought_deltas(thoughts: Sketch, cut: Cut) -> list[dict[str, Any]]:
    if thoughts["way"] in ("reasoning_content", "reasoning"):
        return [{thoughts["way"]: piece} for piece in cut(thoughts["text"])]
    if thoughts["way"] == "blocks":
        return [{"thinking_blocks": [_block(stretch)]} for stretch in thoughts["stretches"]]
    deltas: list[dict[str, Any]] = []
    for place, stretch in enumerate(thoughts["stretches"]):
        for piece in cut(stretch["text"] or ""):
            repeated = {"reasoning": piece} if thoughts["way"] == "both" else {}
            deltas.append({**repeated, "reasoning_details": [_detail({"text": piece, "token": None}, place)]})
        if stretch["token"]:
            rest = stretch if stretch["text"] is None else {"text": "", "token": stretch["token"]}
            deltas.append({"reasoning_details": [_detail(rest, place)]})
    return deltas


def _chat_call_deltas(call: Sketch, index: int, cut: Cut) -> list[dict[str, Any]]:
    kind, member = ("custom", "input") if call["custom"] else ("function", "arguments")
    head = {"index": index, "id": call["id"], "type": kind, kind: {"name": call["name"], member: ""}, **_extra(call)}
    return [head, *({"index": index, kind: {member: piece}} for piece in cut(call["arguments"]))]


# ---------------------------------------------------------------------------------------------- Responses

_HOSTED = (
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "code_interpreter_call", "status": "completed", "code": "1", "container_id": "c", "outputs": []},
    {"type": "image_generation_call", "status": "completed", "result": "aW1hZ2U="},
    {"type": "brand_new_call", "input": {"a": [1]}, "name": 1},
)


@st.composite
def responses_sketches(draw: st.DrawFn) -> Sketch:
    tokens, ids = Tokens(), Ids()
    items = draw(some(_responses_items(tokens, ids), 4))
    for place, item in enumerate(items):
        item["id"] = f"{_PREFIXES.get(item['type'], 'it')}_{place}"
    return {
        "items": items,
        "stop": draw(st.sampled_from((None, None, None, "max_output_tokens", "content_filter", "new_reason"))),
        "usage": draw(usages),
        "tier": draw(st.sampled_from((None, "default", "priority"))),
        "planted": draw(plants),
    }


_PREFIXES = {"reasoning": "rs", "message": "msg", "function_call": "fc", "custom_tool_call": "ctc"}


@st.composite
def _responses_items(draw: st.DrawFn, tokens: Tokens, ids: Ids) -> Sketch:
    kind = draw(st.sampled_from(("message", "message", "reasoning", "reasoning", "call", "call", "hosted")))
    if kind == "message":
        content = draw(st.lists(_responses_parts(), min_size=1, max_size=2))
        phase = draw(st.sampled_from(({}, {}, {"phase": "commentary"})))
        return {"type": "message", "role": "assistant", "status": "completed", "content": content, **phase}
    if kind == "reasoning":
        summary = [{"type": "summary_text", "text": text} for text in draw(some(texts, 2))]
        content = [] if summary else [{"type": "reasoning_text", "text": text} for text in draw(some(texts, 1))]
        token = draw(st.booleans()) or not (summary or content)
        found = {"type": "reasoning", "summary": summary, **({"content": content} if content else {})}
        return {**found, **({"encrypted_content": tokens.new()} if token else {})}
    if kind == "hosted":
        return dict(draw(st.sampled_from(_HOSTED)))
    call = {"call_id": ids.new(), "name": draw(names), "status": "completed"}
    if draw(st.sampled_from((False, False, True))):
        return {"type": "custom_tool_call", **call, "input": draw(maybe_text)}
    return {"type": "function_call", **call, "arguments": draw(arguments)}


@st.composite
def _responses_parts(draw: st.DrawFn) -> Sketch:
    kind = draw(st.sampled_from(("text", "text", "text", "refusal", "new")))
    if kind == "refusal":
        return {"type": "refusal", "refusal": draw(texts)}
    if kind == "new":
        return {"type": "output_brand_new", "text": [1]}
    text = draw(texts)
    annotations = draw(some(_responses_annotations(len(text)), 2))
    found = draw(st.just([]) | logprobs())
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": found}


@st.composite
def _responses_annotations(draw: st.DrawFn, length: int) -> Sketch:
    start = draw(st.integers(0, length))
    where = {"start_index": start, "end_index": draw(st.integers(start, length))}
    kind = draw(st.sampled_from(("url_citation", "url_citation", "file_citation", "container_file_citation")))
    if kind == "url_citation":
        return plant({"type": kind, **where, "title": "A page", "url": draw(urls)}, draw(planting))
    if kind == "file_citation":
        return {"type": kind, "file_id": "file_1", "filename": "a.txt", "index": start}
    return {"type": kind, "file_id": "file_1", "filename": "a.txt", "container_id": "c_1", **where}


def responses(sketch: Sketch) -> dict[str, Any]:
    flags = sketch["planted"]
    items = [_planted_item(item, flags) for item in sketch["items"]]
    return plant(_responses_envelope(sketch, items, done=True), flags["root"])


def _planted_item(item: Sketch, flags: Sketch) -> dict[str, Any]:
    """Return an item as it is written, with a new member where the sketch has one. Hosted items have what they like."""
    if item["type"] not in _PREFIXES:
        return item
    if item["type"] == "message":
        known = ("output_text", "refusal")
        content = [plant(part, flags["choice"] and part["type"] in known) for part in item["content"]]
        return plant({**item, "content": content}, flags["part"])
    return plant(item, flags["part"])


def _responses_envelope(sketch: Sketch, items: list[Any], *, done: bool) -> dict[str, Any]:
    reason = sketch["stop"]
    usage = responses_usage(sketch["usage"])
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress" if not done else "incomplete" if reason else "completed",
        "error": None,
        "model": "a-model",
        "incomplete_details": {"reason": reason} if reason and done else None,
        "output": items if done else [],
        "usage": plant(usage, sketch["planted"]["usage"]) if done and usage else None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tools": [],
        "tool_choice": "auto",
        **({"service_tier": sketch["tier"]} if sketch["tier"] else {}),
    }


def responses_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    events: list[dict[str, Any]] = [
        {"type": kind, "response": _responses_envelope(sketch, [], done=False)}
        for kind in ("response.created", "response.in_progress")
    ]
    items = [_planted_item(item, sketch["planted"]) for item in sketch["items"]]
    for place, item in enumerate(items):
        where = {"output_index": place, "item_id": item["id"]}
        begun, inner = _responses_ladder(item, where, cut)
        events.append({"type": "response.output_item.added", "output_index": place, "item": begun})
        events += inner
        events.append({"type": "response.output_item.done", "output_index": place, "item": item})
    last = plant(_responses_envelope(sketch, items, done=True), sketch["planted"]["root"])
    events.append({"type": f"response.{last['status']}", "response": last})
    return [named_frame({**event, "sequence_number": number}) for number, event in enumerate(events)]


def _responses_ladder(item: Sketch, where: Sketch, cut: Cut) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an item as it begins, and the events between its beginning and its end."""
    if item["type"] == "message":
        inner = [
            event
            for index, part in enumerate(item["content"])
            for event in _content_ladder(part, {**where, "content_index": index}, cut)
        ]
        return {**item, "content": [], "status": "in_progress"}, inner
    if item["type"] == "reasoning":
        inner = []
        for index, part in enumerate(item["summary"]):
            inner += _text_ladder("response.reasoning_summary", part, {**where, "summary_index": index}, cut)
        for index, part in enumerate(item.get("content", ())):
            at = {**where, "content_index": index}
            inner += [{"type": "response.reasoning_text.delta", **at, "delta": piece} for piece in cut(part["text"])]
            inner.append({"type": "response.reasoning_text.done", **at, "text": part["text"]})
        return {key: value for key, value in item.items() if key not in ("content", "encrypted_content")} | {
            "summary": []
        }, inner
    if item["type"] in ("function_call", "custom_tool_call"):
        member = "arguments" if item["type"] == "function_call" else "input"
        name = f"response.{item['type']}_{member}"
        inner = [{"type": name + ".delta", **where, "delta": piece} for piece in cut(item[member])]
        inner.append({"type": name + ".done", **where, "name": item["name"], member: item[member]})
        return {**item, member: "", "status": "in_progress"}, inner
    return item, [{"type": f"response.{item['type']}.in_progress", **where}]


def _content_ladder(part: Sketch, where: Sketch, cut: Cut) -> list[dict[str, Any]]:
    begun = {"type": "response.content_part.added", **where}
    done = {"type": "response.content_part.done", **where, "part": part}
    if part["type"] == "refusal":
        pieces = cut(part["refusal"])
        inner = [{"type": "response.refusal.delta", **where, "delta": piece} for piece in pieces]
        inner.append({"type": "response.refusal.done", **where, "refusal": part["refusal"]})
        return [begun | {"part": {**part, "refusal": ""}}, *inner, done]
    if part["type"] != "output_text":
        return [begun | {"part": part}, done]
    pieces = cut(part["text"])
    inner = [
        {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": found}
        for piece, found in zip(pieces, spread(part["logprobs"], len(pieces)), strict=True)
    ]
    inner += [
        {"type": "response.output_text.annotation.added", **where, "annotation_index": index, "annotation": citation}
        for index, citation in enumerate(part["annotations"])
    ]
    text = {"text": part["text"], "logprobs": part["logprobs"]}
    inner.append({"type": "response.output_text.done", **where, **text})
    return [begun | {"part": {**part, "text": "", "annotations": [], "logprobs": []}}, *inner, done]


def _text_ladder(name: str, part: Sketch, where: Sketch, cut: Cut) -> list[dict[str, Any]]:
    return [
        {"type": name + "_part.added", **where, "part": {**part, "text": ""}},
        *({"type": name + "_text.delta", **where, "delta": piece} for piece in cut(part["text"])),
        {"type": name + "_text.done", **where, "text": part["text"]},
        {"type": name + "_part.done", **where, "part": part},
    ]
