"""Whole answers for a client: the response object, written."""

from __future__ import annotations

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.answer_places import citations_at, place
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
    Text,
    Token,
    ToolCall,
)
from trio_gateway.dialects.openai_responses.items import (
    CONTENT_TAGS,
    ME,
    NULL,
    annotations_of,
    mark_previous,
    mark_redacted,
    status_of,
    wire_usage,
    write_token,
)
from trio_gateway.dialects.openai_responses.logprobs import content_logprobs

ONE_CHOICE = "there is one answer here"


def encode_answer(answer: Answer, context: AnswerContext) -> tuple[bytes, Losses]:
    source, losses = answer.source, list(answer.unread)
    choice = answer.choices[0] if answer.choices else Choice([])
    losses += [Loss(place(source, "choice", other.index), ONE_CHOICE) for other in answer.choices[1:]]
    names = ItemNames(context)
    logprobs_at = place(source, "logprobs", choice.index)
    writer = AnswerWriter(names, losses, choice.logprobs, logprobs_at)
    has_refusal = any(type(part) is Refusal for part in choice.parts)
    status, reason = status_of(choice.stop, has_refusal, losses, source)
    for part in choice.parts:
        writer.write(part)
    writer.close(status)
    response = response_of(
        answer.id,
        answer.created,
        answer.model,
        context,
        status=status,
        output=writer.items,
        reason=reason,
        usage=wire_usage(answer.usage, losses, place(source, "usage")),
        tier=answer.service_tier,
    )
    lose_tier(answer.service_tier, losses, place(source, "service_tier"))
    return wire.encode(response), losses


_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


def lose_tier(tier: str | None, losses: Losses, at: str = "/service_tier") -> None:
    if tier not in _TIERS and tier not in (None, "standard"):
        losses.append(Loss(at, f"there is no tier {tier!r} here"))


_AUTO = msgspec.Raw(b'"auto"')
_NO_METADATA = msgspec.Raw(b"{}")
_PLAIN_TEXT = msgspec.Raw(b'{"format":{"type":"text"}}')


def response_of(
    id_: str | None,
    created: int | None,
    model: str | None,
    context: AnswerContext,
    *,
    status: str,
    output: list[msgspec.Raw],
    reason: str | None = None,
    error: wire.ResponseError | None = None,
    usage: wire.Usage | None = None,
    tier: str | None = None,
) -> wire.Response:
    """Return a whole response object. What repeats the request has the values of a request that says nothing."""
    return wire.Response(
        id=response_id(id_, context),
        created_at=context.created if created is None else created,
        status=status,
        background=False,
        error=error,
        incomplete_details=None if reason is None else wire.IncompleteDetails(reason),
        instructions=NULL,
        max_output_tokens=None,
        model=model or context.model,
        output=output,
        parallel_tool_calls=True,
        previous_response_id=None,
        service_tier=tier if tier in _TIERS else msgspec.UNSET,
        store=False,
        text=_PLAIN_TEXT,
        tool_choice=_AUTO,
        tools=[],
        truncation="disabled",
        usage=msgspec.UNSET if usage is None else usage,  # by the document it may be absent, and not null
        metadata=_NO_METADATA,
    )


def response_id(id_: str | None, context: AnswerContext) -> str:
    return id_ if id_ is not None and id_.startswith("resp_") else f"resp_{context.id}"


class ItemNames:
    """Ids of the items of one answer: no source but Responses has any. Of the answer's id and the item's place."""

    __slots__ = ("_suffix", "_taken")

    def __init__(self, context: AnswerContext) -> None:
        self._suffix = context.id
        self._taken: set[str] = set()

    def item(self, prefix: str, index: int) -> str:
        return f"{prefix}_{self._suffix}_{index}"

    def reasoning(self, source_id: str | None, index: int) -> str:
        """Return the source's own id, which a token may be bound to, where there is one and it is not used yet."""
        if source_id is None or not source_id.startswith("rs_") or source_id in self._taken:
            return self.item("rs", index)
        self._taken.add(source_id)
        return source_id


class AnswerWriter:
    """Parts in, encoded output items out, in `items`. Texts and refusals in a row are one message."""

    __slots__ = ("_content", "_logprobs", "_logprobs_at", "_names", "items", "losses")

    def __init__(
        self, names: ItemNames, losses: Losses, logprobs: msgspec.Raw | None = None, logprobs_at: str = "/logprobs"
    ) -> None:
        self.items: list[msgspec.Raw] = []
        self.losses = losses
        self._names = names
        self._content: list[msgspec.Raw] = []
        self._logprobs = [] if logprobs is None else content_logprobs(logprobs, losses, logprobs_at)
        self._logprobs_at = logprobs_at

    def _item(self, item: msgspec.Struct) -> None:
        self.items.append(msgspec.Raw(wire.encode(item)))

    def write(self, part: Part) -> None:
        match part:
            case Text():
                annotations = annotations_of(part.citations, citations_at(part.at), self.losses, len(part.text))
                logprobs: list[msgspec.Raw] = []
                if part.text:
                    logprobs, self._logprobs = self._logprobs, []
                self._content.append(msgspec.Raw(wire.encode(wire.OutputText(annotations, logprobs, part.text))))
                if part.token is not None:
                    self._carry(part.token, empty=not part.text)
            case Refusal():
                self._content.append(msgspec.Raw(wire.encode(wire.RefusalPart(part.text))))
            case ToolCall():
                self._end_message()
                self._item(call_item(part, self._names.item("ctc" if part.custom else "fc", len(self.items))))
                if part.token is not None:
                    self._carry(part.token)
            case Reasoning():
                self._end_message()
                self._item(reasoning_item(part, self._names.reasoning(part.id, len(self.items))))
            case Opaque() if part.dialect == ME and part.tag.startswith(CONTENT_TAGS):
                self._content.append(part.raw)
            case Opaque() if part.dialect == ME:
                self._end_message()
                self.items.append(part.raw)
            case _:
                kind = part.tag if isinstance(part, Opaque) else type(part).__name__.lower()
                self.losses.append(Loss(part.at, f"an answer holds no {kind} here"))

    def _carry(self, token: Token, *, empty: bool = False) -> None:
        self._end_message()
        self._item(carrier_item(token, self._names.item("rs", len(self.items)), empty=empty))

    def _end_message(self, status: str = "completed") -> None:
        if self._content:
            content, self._content = self._content, []
            self._item(wire.OutputMessage(self._names.item("msg", len(self.items)), status, content))

    def close(self, status: str) -> None:
        """Write the last message. `status` is the answer's: an incomplete one ends in an incomplete message."""
        self._end_message(status)
        if self._logprobs:
            self.losses.append(Loss(self._logprobs_at, "there is no text that they could belong to"))


def call_item(call: ToolCall, item_id: str) -> wire.FunctionCall | wire.CustomToolCall:
    """Return a call's item. Arguments that were cut off make it incomplete."""
    call_id = call.id or item_id.replace("fc_", "call_").replace("ctc_", "call_")
    if call.custom:
        return wire.CustomToolCall(call_id, call.name, call.arguments, item_id, call.namespace)
    arguments = call.arguments or "{}"
    return wire.FunctionCall(call_id, call.name, arguments, item_id, call.namespace, status=call_status(arguments))


def call_status(arguments: str) -> str:
    try:
        msgspec.json.decode(arguments, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return "incomplete"
    return "completed"


def reasoning_item(part: Reasoning, item_id: str) -> wire.ReasoningItem:
    summary = [wire.SummaryText(part.text)] if part.text else []
    if part.token is None:
        return wire.ReasoningItem(item_id, summary)
    _, encrypted = write_token(mark_redacted(part.token) if part.redacted else part.token)
    return wire.ReasoningItem(item_id, summary, encrypted_content=encrypted)


def carrier_item(token: Token, item_id: str, *, empty: bool = False) -> wire.ReasoningItem:
    """Return the item that carries the token of the text or call before it; of a text that is `empty`, of nothing."""
    return wire.ReasoningItem(item_id, [], encrypted_content=write_token(mark_previous(token, empty=empty))[1])
