"""An Answer, as the body for a client, and what writing a stream shares with it."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from gateway_schemas import ollama
from trio_gateway.dialects.answer_places import citations_at, place
from trio_gateway.dialects.arguments import object_of, wrap
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Choice,
    Loss,
    Losses,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Stop,
    Text,
    ToolCall,
    Usage,
)
from trio_gateway.dialects.times import rfc3339
from trio_gateway.dialects.wire import BAD_BODY


class _TopLogprob(msgspec.Struct, omit_defaults=True):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Logprob(msgspec.Struct, omit_defaults=True):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_TopLogprob] | None = []


class _ChatLogprobs(msgspec.Struct):
    content: list[_Logprob] | None = None
    refusal: list[Raw] | None = None


_decode_chat_logprobs = msgspec.json.Decoder(_ChatLogprobs).decode

# Where each kind of part stands in a message; a part after one of a later place is put back into this order.
PLACES: dict[type[Part], int] = {Reasoning: 0, Text: 1, Refusal: 1, ToolCall: 3}

THOUGHTS_BREAK = "\n\n"
REORDERED = "Ollama's order is thoughts, text, calls"
JOINED_TEXTS = "texts are joined"
JOINED_THOUGHTS = "thoughts are joined"
REFUSED = "a refusal is text like any other"
WRAPPED = "arguments are an object: what is none is wrapped, as input"
CUT_OFF = "the call was cut off: its arguments are no whole object"
NO_SERVICE_TIERS = "Ollama has no service tiers"
OTHER_CHOICES = "Ollama has one choice only"
NO_TOKENS = "Ollama has no place for a token"
NO_CITATIONS = "Ollama has no citations"

_DONE_REASONS = {"stop": "stop", "stop_sequence": "stop", "tool_calls": "stop", "length": "length"}
_NEAREST_DONE_REASONS = {"context_window": "length", "refusal": "stop", "pause": "stop", "error": "stop"}


def done_reason(stop: Stop | None, source: str, losses: Losses) -> str:
    """Return Ollama's word for `stop`. `source` is for the pointers of losses."""
    if stop is None:
        return "stop"
    if stop.sequence is not None or stop.reason == "stop_sequence":
        losses.append(Loss(place(source, "sequence"), "Ollama does not say which stop sequence matched"))
    if stop.detail is not None:
        losses.append(Loss(place(source, "detail"), "Ollama does not explain why it stopped"))
    if stop.reason in _DONE_REASONS:
        return _DONE_REASONS[stop.reason]
    if stop.raw in ("load", "unload"):
        return stop.raw
    nearest = _NEAREST_DONE_REASONS.get(stop.reason, "stop")
    losses.append(Loss(place(source, "stop"), f"{stop.raw or stop.reason} becomes {nearest}"))
    return nearest


def put_usage(usage: Usage, response: ollama.ChatResponse, losses: Losses, at: str = "/usage") -> None:
    """Write the counts that are known."""
    if usage.input is not None:
        response.prompt_eval_count = usage.input
    if usage.output is not None:
        response.eval_count = usage.output
    for name, count in (("cached", usage.cached), ("cache_write", usage.cache_write), ("reasoning", usage.reasoning)):
        if count:
            losses.append(Loss(at, f"Ollama does not count {name} tokens apart"))


def call_of(id_: str, name: str, arguments: Raw, index: int) -> ollama.ToolCall:
    # On a line of its own a call must not have line ends, which in JSON are nothing but space between tokens.
    text = bytes(arguments)
    if b"\n" in text or b"\r" in text:
        arguments = Raw(text.replace(b"\n", b" ").replace(b"\r", b" "))
    function = ollama.ToolCallFunction(name, arguments, index)
    return ollama.ToolCall(function, id_) if id_ else ollama.ToolCall(function)


def ollama_logprobs(raw: Raw, losses: Losses, at: str = "/logprobs") -> list[ollama.Logprob] | None:
    """Return log probabilities in Ollama's shape, from Chat's."""
    try:
        logprobs = _decode_chat_logprobs(raw)
    except BAD_BODY:
        losses.append(Loss(at, "the log probabilities are not in a known shape"))
        return None
    if logprobs.refusal:
        losses.append(Loss(at + "/refusal", "Ollama has log probabilities of text only"))
    return logprobs.content or None  # type: ignore[return-value]  # the same fields, written without the empty ones


def encode_answer(answer: Answer, context: AnswerContext) -> tuple[bytes, Losses]:
    """Return the body for a client that asked for no stream, and what it cannot say.

    The answer's id is not counted as lost: Ollama's answers have none.
    """
    source, losses = answer.source, list(answer.unread)
    choice = answer.choices[0] if answer.choices else Choice([])
    losses += [Loss(place(source, "choice", other.index), OTHER_CHOICES) for other in answer.choices[1:]]
    response = ollama.ChatResponse(
        model=answer.model or context.model,
        created_at=rfc3339(context.created if answer.created is None else answer.created),
        message=_message(choice, losses),
        done=True,
        done_reason=done_reason(choice.stop, source, losses),
    )
    if answer.usage is not None:
        put_usage(answer.usage, response, losses, place(source, "usage"))
    if choice.logprobs is not None and (
        logprobs := ollama_logprobs(choice.logprobs, losses, place(source, "logprobs"))
    ):
        response.logprobs = logprobs
    if answer.service_tier is not None:
        losses.append(Loss(place(source, "service_tier"), NO_SERVICE_TIERS))
    return ollama.encode(response), losses


def _message(choice: Choice, losses: Losses) -> ollama.Message:
    message = ollama.Message("assistant", "")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ollama.ToolCall] = []
    doubtful: list[ToolCall] = []
    place = 0
    for part in choice.parts:
        here = PLACES.get(type(part), place)
        if here < place:
            losses.append(Loss(part.at, REORDERED))
        place = here
        if isinstance(part, Text):
            _add_text(part, texts, losses)
        elif isinstance(part, Reasoning):
            _add_thought(part, thoughts, losses)
        elif isinstance(part, Refusal):
            texts.append(part.text)
            losses.append(Loss(part.at, REFUSED))
        elif isinstance(part, ToolCall):
            _add_call(part, calls, doubtful, losses)
        else:
            tag = part.tag if isinstance(part, Opaque) else type(part).__name__
            losses.append(Loss(part.at, f"Ollama has nothing like {tag}"))
    _settle(doubtful, choice.stop, calls, losses)
    message.content = "".join(texts)
    if thoughts:
        message.thinking = THOUGHTS_BREAK.join(thoughts)
    if calls:
        message.tool_calls = calls
    return message


def _add_text(part: Text, texts: list[str], losses: Losses) -> None:
    if texts and part.text:
        losses.append(Loss(part.at, JOINED_TEXTS))
    if part.citations:
        losses.append(Loss(citations_at(part.at), NO_CITATIONS))
    if part.token is not None:
        losses.append(Loss(part.at, NO_TOKENS))
    if part.text:
        texts.append(part.text)


def _add_thought(part: Reasoning, thoughts: list[str], losses: Losses) -> None:
    if part.token is not None or part.redacted:
        losses.append(Loss(part.at, NO_TOKENS))
    if part.text and not part.redacted:
        if thoughts:
            losses.append(Loss(part.at, JOINED_THOUGHTS))
        thoughts.append(part.text)


def _add_call(part: ToolCall, calls: list[ollama.ToolCall], doubtful: list[ToolCall], losses: Losses) -> None:
    if part.token is not None:
        losses.append(Loss(part.at, NO_TOKENS))
    if part.custom:
        losses.append(Loss(part.at, WRAPPED))
        calls.append(call_of(part.id, part.name, wrap(part.arguments), len(calls)))
        return
    arguments = object_of(part.arguments)
    if arguments is None:
        doubtful.append(part)
    else:
        calls.append(call_of(part.id, part.name, arguments, len(calls)))


def _settle(doubtful: list[ToolCall], stop: Stop | None, calls: list[ollama.ToolCall], losses: Losses) -> None:
    for part in doubtful:
        call = settled(part.id, part.name, part.arguments, stop, len(calls))
        losses.append(Loss(part.at, WRAPPED if call else CUT_OFF))
        if call:
            calls.append(call)


def settled(id_: str, name: str, arguments: str, stop: Stop | None, index: int) -> ollama.ToolCall | None:
    """Return the call whose arguments are no object: wrapped, so that the model is told of its mistake.

    None where the answer was cut off: then the call never was whole, and nobody must act on it.
    """
    if stop is not None and stop.reason in ("length", "context_window"):
        return None
    return call_of(id_, name, wrap(arguments), index)
