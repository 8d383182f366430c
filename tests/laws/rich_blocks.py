"""Rich answers of Anthropic, Gemini and Ollama: sketches, and the two ways to write each."""

from __future__ import annotations

import json
from typing import Any

from answer_streams import Cut, named_frame
from answers import Sketch, anthropic_usage, gemini_usage, ollama_line
from hypothesis import strategies as st
from rich_values import Ids, Tokens, logprobs, maybe_text, names, plant, planting, plants, some, spread, urls, usages
from values import dumps, good_arguments, texts

# ---------------------------------------------------------------------------------------------- Anthropic

_SERVER_RESULTS = (
    {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [{"type": "web_search_result", "url": "u"}]},
    {"type": "code_execution_tool_result", "tool_use_id": "srv_1", "content": {"type": "x", "stdout": "1"}},
    {"type": "brand_new_block", "text": [1], "input": 1},
)


@st.composite
def anthropic_sketches(draw: st.DrawFn) -> Sketch:
    tokens, ids = Tokens(), Ids("toolu_")
    blocks = draw(some(_anthropic_blocks(tokens, ids), 5))
    words = ["end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal", "model_context_window_exceeded", "new"]
    stop = draw(st.sampled_from([*words, *["tool_use"] * 4 * any(block["type"] == "tool_use" for block in blocks)]))
    return {
        "blocks": blocks,
        "stop": stop,
        "sequence": draw(texts) if stop == "stop_sequence" else None,
        "details": draw(st.none() | st.just("It is not allowed.")) if stop == "refusal" else None,
        "usage": draw(usages),
        "tier": draw(st.sampled_from((None, "standard", "priority", "batch"))),
        "searches": draw(st.booleans()),
        "planted": draw(plants),
    }


@st.composite
def _anthropic_blocks(draw: st.DrawFn, tokens: Tokens, ids: Ids) -> Sketch:
    match draw(st.sampled_from(("text", "text", "thinking", "redacted", "call", "call", "server", "result"))):
        case "text":
            citations = draw(some(_anthropic_citations(), 2))
            return {"type": "text", "text": draw(texts), **({"citations": citations} if citations else {})}
        case "thinking":
            text = draw(maybe_text)
            signed = not text or draw(st.sampled_from((True, True, False)))
            return {"type": "thinking", "thinking": text, "signature": tokens.new() if signed else ""}
        case "redacted":
            return {"type": "redacted_thinking", "data": tokens.new()}
        case "call":
            # A tool that takes free text is offered to Anthropic as a function: see names.py of the dialect.
            custom = draw(st.sampled_from((False, False, True)))
            input_ = json.dumps({"input": draw(texts)}) if custom else draw(good_arguments)
            return {"type": "tool_use", "id": ids.new(), "name": draw(names) + "-x0_" * custom, "input": input_}
        case "server":
            return {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": draw(good_arguments)}
    return dict(draw(st.sampled_from(_SERVER_RESULTS)))


@st.composite
def _anthropic_citations(draw: st.DrawFn) -> Sketch:
    cited = {"cited_text": draw(texts)}
    document = {**cited, "document_index": 0, "document_title": draw(st.none() | st.just("A report"))}
    match draw(st.sampled_from(("web", "web", "char", "page", "block", "search"))):
        case "web":
            title = draw(st.sampled_from(("A page", "A page", None)))
            found = {"url": draw(urls), "title": title, "encrypted_index": "aW5kZXg="}
            return plant({"type": "web_search_result_location", **cited, **found}, draw(planting))
        case "char":
            return {"type": "char_location", **document, "start_char_index": 0, "end_char_index": 1}
        case "page":
            return {"type": "page_location", **document, "start_page_number": 1, "end_page_number": 2}
        case "block":
            return {"type": "content_block_location", **document, "start_block_index": 0, "end_block_index": 1}
    place = {"start_block_index": 0, "end_block_index": 1, "search_result_index": 0}
    return {"type": "search_result_location", **cited, "source": "s", "title": None, **place}


def _anthropic_block(block: Sketch) -> dict[str, Any]:
    if block["type"] in ("tool_use", "server_tool_use"):
        return {**block, "input": json.loads(block["input"])}
    return block


def _anthropic_usage(sketch: Sketch) -> dict[str, Any]:
    usage = anthropic_usage(sketch["usage"])
    searches = {"server_tool_use": {"web_search_requests": 1}} if sketch["searches"] else {}
    return {**usage, **({"service_tier": sketch["tier"]} if sketch["tier"] else {}), **searches}


def _anthropic_stop(sketch: Sketch) -> dict[str, Any]:
    details = {"type": "refusal", "category": None, "explanation": sketch["details"]}
    stop = {"stop_reason": sketch["stop"], "stop_sequence": sketch["sequence"]}
    return {**stop, **({"stop_details": details} if sketch["details"] else {})}


_ANTHROPIC_KNOWN = ("text", "thinking", "redacted_thinking", "tool_use")
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "a-model"}


def anthropic(sketch: Sketch) -> dict[str, Any]:
    flags = sketch["planted"]
    blocks = [
        plant(_anthropic_block(block), flags["part"] and block["type"] in _ANTHROPIC_KNOWN)
        for block in sketch["blocks"]
    ]
    usage = plant(_anthropic_usage(sketch), flags["usage"])
    return plant({**_MESSAGE, "content": blocks, **_anthropic_stop(sketch), "usage": usage}, flags["root"])


def anthropic_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    flags = sketch["planted"]
    usage = plant(_anthropic_usage(sketch), flags["usage"])
    known = {name: value for name, value in usage.items() if "output" not in name and name != "server_tool_use"}
    message = {**_MESSAGE, "content": [], "stop_reason": None, "stop_sequence": None, "usage": known}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(sketch["blocks"]):
        begun, deltas = _anthropic_deltas(block, cut)
        begun = plant(begun, flags["part"] and block["type"] in _ANTHROPIC_KNOWN)
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    last = {name: value for name, value in usage.items() if name != "service_tier"}
    delta = {"type": "message_delta", "delta": _anthropic_stop(sketch), "usage": last}
    events += [plant(delta, flags["root"]), {"type": "message_stop"}]
    return [named_frame(event) for event in events]


def _anthropic_deltas(block: Sketch, cut: Cut) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in cut(block["text"])]
            deltas += [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", ())]
            return {"type": "text", "text": "", **({"citations": []} if "citations" in block else {})}, deltas
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])]
            signature = [{"type": "signature_delta", "signature": block["signature"]}] if block["signature"] else []
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas + signature
        case "tool_use" | "server_tool_use":
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *cut(block["input"])]]
            return {**block, "input": {}}, deltas
    return block, []


# ------------------------------------------------------------------------------------------------- Gemini

_GEMINI_OPAQUE = (
    {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
    {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
    {"fileData": {"mimeType": "image/png", "fileUri": "gs://a/b"}},
    {"brandNew": {"a": [1]}},
)
_GEMINI_STOPS = (
    "STOP", "STOP", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "MALFORMED_FUNCTION_CALL", "NEW_REASON",
)  # fmt: skip
_GEMINI_FAULTS = ("OTHER", "MALFORMED_FUNCTION_CALL", "NEW_REASON")


@st.composite
def gemini_sketches(draw: st.DrawFn) -> Sketch:
    tokens, ids = Tokens(), Ids()
    candidates = [draw(_gemini_candidates(tokens, ids)) for _ in range(draw(st.sampled_from((1, 1, 1, 2))))]
    return {
        "candidates": candidates,
        "usage": draw(usages),
        "tier": draw(st.sampled_from((None, "standard", "priority"))),
        "planted": draw(plants),
    }


@st.composite
def _gemini_candidates(draw: st.DrawFn, tokens: Tokens, ids: Ids) -> Sketch:
    parts = draw(some(_gemini_parts(tokens, ids), 5))
    stop = draw(st.sampled_from(_GEMINI_STOPS))
    visible = [part["text"] for part in parts if _is_visible(part)]
    return {
        "parts": parts,
        "stop": "STOP" if not parts and stop in _GEMINI_FAULTS else stop,  # without parts a fault is an error
        "message": draw(st.none() | st.none() | texts),
        "logprobs": draw(st.none() | logprobs()) if any(map(_is_visible, parts)) else None,
        "grounding": draw(st.none() | _groundings(visible)),
    }


@st.composite
def _groundings(draw: st.DrawFn, visible: list[str]) -> Sketch:
    """Draw what grounds stretches of the texts, in bytes of their own text, of all of them, or of nobody's."""
    pages = [
        {"web": {"uri": "https://a.b", "title": "t"}},
        {"web": {"uri": "https://c.d", "domain": "c.d"}},
        {"maps": {}},
    ]
    supports = []
    for text in draw(some(st.sampled_from(visible), 3)) if visible else ():
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, len(text)))
        offset = draw(st.sampled_from((0, 0, 3)))
        places = {
            name: len(text[:place].encode()) + offset for name, place in (("startIndex", start), ("endIndex", end))
        }
        words = draw(st.sampled_from(({"text": text[start:end]}, {"text": text[start:end]}, {})))
        indices = draw(some(st.integers(0, 3), 2))
        supports.append({"segment": {**places, **words}, "groundingChunkIndices": indices})
    return {"webSearchQueries": ["q"], "groundingChunks": pages, "groundingSupports": supports}


@st.composite
def _gemini_parts(draw: st.DrawFn, tokens: Tokens, ids: Ids) -> Sketch:
    signed = {"thoughtSignature": tokens.new()} if draw(st.sampled_from((False, False, True))) else {}
    match draw(st.sampled_from(("text", "text", "thought", "thought", "call", "call", "opaque"))):
        case "text":
            return {"text": draw(maybe_text if signed else texts), **signed}
        case "thought":
            return {"text": draw(texts), "thought": True, **signed}
        case "call":
            custom = draw(st.sampled_from((False, False, True)))
            args = {"input": draw(texts)} if custom else json.loads(draw(good_arguments))
            id_ = {"id": ids.new()} if draw(st.booleans()) else {}
            return {"functionCall": {**id_, "name": draw(names) + "-x0_" * custom, "args": args}, **signed}
    return dict(draw(st.sampled_from(_GEMINI_OPAQUE)))


def _gemini_logprobs(entries: list[Any]) -> dict[str, Any]:
    def candidate(entry: Any) -> dict[str, Any]:
        return {"token": entry["token"], "logProbability": entry["logprob"]}

    tops = [{"candidates": [candidate(top) for top in entry["top_logprobs"]]} for entry in entries]
    return {"logprobsResult": {"chosenCandidates": [candidate(entry) for entry in entries], "topCandidates": tops}}


def _gemini_end(candidate: Sketch) -> dict[str, Any]:
    message = {"finishMessage": candidate["message"]} if candidate["message"] else {}
    grounding = {"groundingMetadata": candidate["grounding"]} if candidate["grounding"] else {}
    return {"finishReason": candidate["stop"], **message, **grounding}


def _gemini_body(sketch: Sketch, candidates: list[Any], *, last: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"candidates": candidates, "modelVersion": "a-model", "responseId": "r1"}
    tier = {"serviceTier": sketch["tier"]} if sketch["tier"] else {}
    counts = gemini_usage(sketch["usage"]) if last and sketch["usage"] else {}
    usage = plant({**counts, **tier}, sketch["planted"]["usage"])
    return {**body, **({"usageMetadata": usage} if counts or tier else {})}


def gemini(sketch: Sketch) -> dict[str, Any]:
    flags = sketch["planted"]
    candidates = []
    for index, candidate in enumerate(sketch["candidates"]):
        parts = [_gemini_part(part, flags) for part in candidate["parts"]]
        entries = _gemini_logprobs(candidate["logprobs"]) if candidate["logprobs"] else {}
        found = {"index": index, "content": {"role": "model", "parts": parts}, **_gemini_end(candidate), **entries}
        candidates.append(plant(found, flags["choice"]))
    return plant(_gemini_body(sketch, candidates, last=True), flags["root"])


_GEMINI_KNOWN = frozenset({"text", "functionCall"})


def _gemini_part(part: dict[str, Any], flags: Sketch) -> dict[str, Any]:
    return plant(part, flags["part"] and not _GEMINI_KNOWN.isdisjoint(part))


def gemini_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    flags = sketch["planted"]
    candidates = enumerate(sketch["candidates"])
    chunks = cut.turns([_gemini_chunks(candidate, index, cut, flags) for index, candidate in candidates])
    bodies = [_gemini_body(sketch, [chunk], last=False) for chunk in chunks[:-1]]
    bodies += [_gemini_body(sketch, [chunks[-1]], last=True)]
    return [b"data: " + dumps(plant(body, flags["root"])) + b"\r\n\r\n" for body in bodies]


def _is_visible(part: dict[str, Any]) -> bool:
    return bool(part.get("text")) and not part.get("thought")


def _gemini_chunks(candidate: Sketch, index: int, cut: Cut, flags: Sketch) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = []
    for part in candidate["parts"]:
        if "text" in part and "thoughtSignature" not in part:
            pieces += [{**part, "text": piece} for piece in cut(part["text"])]
        else:
            pieces.append(part)
    chunks: list[dict[str, Any]] = [
        {"index": index, "content": {"role": "model", "parts": [_gemini_part(piece, flags)]}} for piece in pieces
    ]
    told = [chunk for chunk in chunks if _is_visible(chunk["content"]["parts"][0])]
    for chunk, entries in zip(told, spread(candidate["logprobs"] or [], len(told)), strict=True):
        chunk.update(_gemini_logprobs(entries) if entries else {})
    return [plant(chunk, flags["choice"]) for chunk in [*chunks, {"index": index, **_gemini_end(candidate)}]]


# ------------------------------------------------------------------------------------------------- Ollama


@st.composite
def ollama_sketches(draw: st.DrawFn) -> Sketch:
    ids = Ids()
    text = draw(maybe_text)
    return {
        "thoughts": draw(maybe_text),
        "text": text,
        "images": draw(some(st.just("iVBORw0KGgo="), 1)),
        "calls": draw(some(_ollama_calls(ids), 2)),
        "stop": draw(st.sampled_from(("stop", "stop", "length", "new_reason"))),
        "logprobs": draw(st.none() | logprobs()) if text else None,
        "usage": draw(usages),
        "durations": draw(st.booleans()),
        "planted": draw(plants),
    }


@st.composite
def _ollama_calls(draw: st.DrawFn, ids: Ids) -> Sketch:
    function = {"name": draw(names), "arguments": json.loads(draw(good_arguments))}
    return {**({"id": ids.new()} if draw(st.booleans()) else {}), "function": function}


def _ollama_end(sketch: Sketch) -> dict[str, Any]:
    end: dict[str, Any] = {"done": True, "done_reason": sketch["stop"]}
    if (usage := sketch["usage"]) is not None:
        end["prompt_eval_count"] = usage["fresh"] + usage["cached"]
        end["eval_count"] = usage["text"] + usage["reasoning"]
    return {**end, **({"total_duration": 5, "eval_duration": 3} if sketch["durations"] else {})}


def ollama(sketch: Sketch) -> dict[str, Any]:
    flags = sketch["planted"]
    message: dict[str, Any] = {"content": sketch["text"]}
    if sketch["thoughts"]:
        message["thinking"] = sketch["thoughts"]
    if sketch["images"]:
        message["images"] = sketch["images"]
    if sketch["calls"]:
        message["tool_calls"] = [plant(call, flags["part"]) for call in sketch["calls"]]
    line = ollama_line(**plant(message, flags["choice"])) | _ollama_end(sketch)
    return plant({**line, **({"logprobs": sketch["logprobs"]} if sketch["logprobs"] else {})}, flags["root"])


def ollama_frames(sketch: Sketch, cut: Cut) -> list[bytes]:
    flags = sketch["planted"]
    lines = [ollama_line(thinking=piece) for piece in cut(sketch["thoughts"])]
    pieces = cut(sketch["text"])
    for piece, entries in zip(pieces, spread(sketch["logprobs"] or [], len(pieces)), strict=True):
        lines.append(ollama_line(content=piece) | ({"logprobs": entries} if entries else {}))
    lines += [ollama_line(images=[image]) for image in sketch["images"]]
    lines += [ollama_line(tool_calls=[plant(call, flags["part"])]) for call in sketch["calls"]]
    last = plant(ollama_line(**plant({}, flags["choice"])) | _ollama_end(sketch), flags["root"])
    return [dumps(line) + b"\n" for line in [*lines, last]]
