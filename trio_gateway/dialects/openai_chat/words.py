"""Chat's finish reasons, usage, ids and citations, in both directions."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from gateway_schemas import openai_chat as wire_chat
from trio_gateway.dialects.answer_places import place
from trio_gateway.dialects.citations import read_citation
from trio_gateway.dialects.conversation import AnswerContext, Loss, Losses, Stop, StopReason, Usage

# ----------------------------------------------------------------------------------------- finish reasons

_STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
    # Words of compatible servers.
    "eos": "stop",
    "end_turn": "stop",
    "max_tokens": "length",
    "error": "error",
}

_FINISHES: dict[StopReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_window": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
    "pause": "stop",
    "error": "stop",
    "other": "stop",
}

_KEPT = frozenset({"stop", "length", "tool_calls", "refusal"})


def stop_of(finish_reason: str, called: bool) -> Stop:
    """Return why the model stopped. `called`: it made a call, which wins over stop (a forced call ends with stop)."""
    reason = _STOPS.get(finish_reason, "other")
    if called and reason in ("stop", "other"):
        reason = "tool_calls"
    return Stop(reason, raw=finish_reason)


def finish_of(stop: Stop | None, called: bool, source: str, choice: int, losses: Losses) -> str:
    """Return the finish reason for a client. `source` and `choice` are for the pointers of losses."""
    if stop is None:
        return "tool_calls" if called else "stop"
    if stop.reason not in _KEPT:
        losses.append(Loss(place(source, "stop", choice), f"Chat has no finish reason {stop.raw or stop.reason!r}"))
    if stop.sequence is not None:
        losses.append(Loss(place(source, "sequence", choice), "Chat does not say which stop sequence matched"))
    if stop.detail is not None and stop.reason != "refusal":
        losses.append(Loss(place(source, "detail", choice), "Chat has no explanation of a finish reason"))
    finish = _FINISHES[stop.reason]
    return "tool_calls" if called and finish == "stop" else finish


# -------------------------------------------------------------------------------------------------- usage


def _count(value: int | float | None) -> int | None:
    return int(value) if value is not None and value >= 0 else None


def usage_of(usage: wire_chat.Usage) -> Usage:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        _count(usage.prompt_tokens),
        _count(usage.completion_tokens),
        _count(prompt.cached_tokens) if prompt else None,
        _count(prompt.cache_write_tokens) if prompt else None,
        _count(completion.reasoning_tokens) if completion else None,
    )


def lose_counts(usage: wire_chat.Usage, losses: Losses) -> None:
    """Record the counts the neutral usage has no word for, where they count anything."""
    for name, details, modelled in (
        ("prompt_tokens_details", usage.prompt_tokens_details, ("cached_tokens", "cache_write_tokens", "text_tokens")),
        ("completion_tokens_details", usage.completion_tokens_details, ("reasoning_tokens", "text_tokens")),
    ):
        for field in details.__struct_fields__ if details else ():
            if field not in modelled and getattr(details, field):
                losses.append(Loss(f"/usage/{name}/{field}", "not carried to other dialects"))


def wire_usage(usage: Usage | None, losses: Losses, at: str = "/usage") -> wire_chat.Usage | None:
    """Return the usage for a client; None where a total is unknown, for Chat cannot say so and 0 would be wrong."""
    if usage is None:
        return None
    if usage.input is None or usage.output is None:
        if usage != Usage():
            losses.append(Loss(at, "Chat cannot say that some counts are unknown"))
        return None
    written = wire_chat.Usage(usage.input, usage.output, usage.input + usage.output)
    if usage.cached is not None or usage.cache_write is not None:
        written.prompt_tokens_details = wire_chat.PromptTokensDetails(usage.cached, usage.cache_write)
    if usage.reasoning is not None:
        written.completion_tokens_details = wire_chat.CompletionTokensDetails(usage.reasoning)
    return written


# ---------------------------------------------------------------------------------------------------- ids

_PREFIX = "chatcmpl-"


def answer_id(source_id: str | None, context: AnswerContext) -> str:
    """Return the answer's id: the source's own with Chat's prefix in place of its dialect's, else the gateway's."""
    if not source_id:
        return _PREFIX + context.id
    for prefix in (_PREFIX, "msg_", "resp_"):
        if source_id.startswith(prefix):
            return _PREFIX + source_id[len(prefix) :]
    return _PREFIX + source_id


def call_id_at(answer_id: str | None, choice: int, position: int) -> str:
    """Return the id of a call that came without one: the same streamed and whole, another one in each answer."""
    where = blake2b(answer_id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest() + "_" if answer_id else ""
    return f"call_{where}{choice}_{position}"


# ---------------------------------------------------------------------------------------------- citations


def annotation_of(raw: msgspec.Raw, start: int, end: int) -> msgspec.Raw | None:
    """Return a citation as an annotation of Chat; None where Chat cannot hold it.

    Chat's own goes through as it is. A web page cited by another dialect becomes a url_citation: of the text from
    `start` to `end`, in characters of the message's content, or where the source says it, of the cited stretch.
    """
    citation = read_citation(raw)
    if citation is None:
        return None
    if citation.url_citation is not msgspec.UNSET:
        return raw
    if not citation.is_page or citation.url is None or citation.title is None:
        return None
    if citation.start_index is not None and citation.end_index is not None:
        start, end = start + citation.start_index, start + citation.end_index
    annotation = wire_chat.Annotation("url_citation", wire_chat.UrlCitation(start, end, citation.title, citation.url))
    return msgspec.Raw(wire_chat.encode(annotation))
