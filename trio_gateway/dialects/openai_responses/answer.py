"""Whole answers: the response object, both directions."""

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
from trio_gateway.dialects.events import join_logprobs
from trio_gateway.dialects.names import unescape_name
from trio_gateway.dialects.openai_responses.errors import error_of
from trio_gateway.dialects.openai_responses.items import (
    CONTENT_TAGS,
    ME,
    NULL,
    annotations_of,
    mark_previous,
    mark_redacted,
    read_token,
    status_of,
    stop_of,
    unmark_redacted,
    unread_members,
    usage_of,
    wire_usage,
    write_token,
)
from trio_gateway.dialects.openai_responses.logprobs import content_logprobs, logprobs_of
from trio_gateway.dialects.unread import unread_members as walk_unread
from trio_gateway.dialects.wire import BAD_BODY, present, read_answer
from trio_gateway.errors import UpstreamBroke

# ----------------------------------------------------------------------------------------------- reading


def decode_answer(body: bytes) -> Answer:
    """Return the answer. Raises UpstreamError for a failed response, UpstreamBroke for what is none."""
    response = read_answer(wire.response_decoder, body)
    status = check_status(response)
    reader = AnswerReader()
    reader.losses += unread_of_response(response, body)
    parts: list[Part] = []
    for index, raw in enumerate(response.output or ()):
        try:
            parts += reader.parts(raw, f"/output/{index}")
        except BAD_BODY as error:
            raise UpstreamBroke(f"The item {index} of the provider's answer cannot be read: {error}.") from error
    has_calls = any(type(part) is ToolCall for part in parts)
    has_refusal = any(type(part) is Refusal for part in parts)
    logprobs = join_logprobs(reader.logprobs) if reader.logprobs else None
    choice = Choice(parts, stop_of(status, reason_of(response), has_calls, has_refusal), logprobs=logprobs)
    return Answer(
        source=ME,
        choices=[choice],
        id=response.id,
        model=response.model,
        created=created_of(response),
        usage=usage_of(response.usage) if isinstance(response.usage, wire.Usage) else None,
        service_tier=tier_of(response),
        unread=reader.losses,
    )


def check_status(response: wire.Response) -> str:
    """Return the status of a response that is an answer; raise what it is otherwise."""
    if response.error is not None:
        raise error_of(response.error)
    status = response.status if isinstance(response.status, str) else None
    match status:
        case "failed":
            raise error_of(wire.ResponseError())
        case "cancelled" | "queued" | "in_progress":
            raise UpstreamBroke(f"The provider's answer is {status}: there is none.")
        case None if response.output is None:
            raise UpstreamBroke("The provider's answer is no response object.")
    return status or "completed"


def reason_of(response: wire.Response) -> str | None:
    return response.incomplete_details.reason if response.incomplete_details is not None else None


def created_of(response: wire.Response) -> int | None:
    created = response.created_at
    return int(created) if created is not None and 0 <= created < 1e15 else None


def tier_of(response: wire.Response) -> str | None:
    """Return the tier that served. `auto` is what was asked for, while it is not known yet."""
    tier = response.service_tier
    return tier if isinstance(tier, str) and tier != "auto" else None


class AnswerReader:
    """Reads output items. Texts that are empty are no parts; `losses` and `logprobs` grow."""

    __slots__ = ("logprobs", "losses")

    def __init__(self) -> None:
        self.losses: Losses = []
        self.logprobs: list[msgspec.Raw] = []

    def parts(self, raw: msgspec.Raw, at: str) -> list[Part]:
        """Return the parts that an item is. Raises what msgspec raises."""
        kind = wire.item_head_decoder.decode(raw).type or "message"
        self.losses += unread_of_item(raw, kind, at)
        if kind == "message":
            return self._message(wire.output_item_decoder.decode(raw), at)
        if kind in CALLS:
            return [call_of(wire.output_item_decoder.decode(raw), kind, at)]
        if kind == "reasoning":
            part = reasoning_of(wire.reasoning_decoder.decode(raw), at)
            return [] if part is None else [part]
        return [Opaque(ME, kind, raw, at)]

    def _message(self, message: wire.OutputItem, at: str) -> list[Part]:
        if isinstance(message.content, str):
            return [Text(message.content, at + "/content")] if message.content else []
        parts: list[Part] = []
        for index, raw in enumerate(message.content or ()):
            part_at = f"{at}/content/{index}"
            part = content_of(raw, part_at)
            if isinstance(part, Opaque):
                parts.append(part)
                continue
            self.losses += unread_of_content(raw, part_at)
            if part.type == "refusal":
                if part.refusal:
                    parts.append(Refusal(part.refusal, part_at))
            elif part.text or part.annotations:
                parts.append(Text(part.text or "", part_at, citations=part.annotations or None))
                if part.logprobs:
                    self.logprobs.append(logprobs_of(part.logprobs))
        return parts


_TEXTS = frozenset({"output_text", "text", "refusal"})


# What the neutral model has a word for, or what is a matter of course.
_MESSAGE = frozenset({"type", "id", "role", "status", "content"})
_CALL = frozenset({"type", "id", "call_id", "name", "arguments", "input", "status"})
_REASONING = frozenset({"type", "id", "summary", "content", "encrypted_content", "status"})
_CONTENT = frozenset({"type", "text", "annotations", "logprobs", "refusal"})
_ANSWERED = ("moderation", "tool_usage", "prompt_cache_diagnostics", "input_transformations")
_SAYS_NOTHING = {"async": (msgspec.Raw(b"false"),), "caller": (msgspec.Raw(b'{"type":"direct"}'),)}


def unread_of_item(raw: msgspec.Raw, kind: str, at: str) -> Losses:
    """Return a loss for each member of an item that no other dialect has. Items of other kinds are opaque."""
    losses: Losses = []
    if kind == "message":
        unread_members(raw, _MESSAGE, wire.OutputItem, at, losses)
    elif kind in CALLS:
        unread_members(raw, _CALL, wire.FunctionCall, at, losses, _SAYS_NOTHING)
    elif kind == "reasoning":
        unread_members(raw, _REASONING, wire.ReasoningItem, at, losses)
    return losses


def unread_of_content(raw: msgspec.Raw, at: str) -> Losses:
    """Return a loss for each member of a text or refusal that no other dialect has."""
    losses: Losses = []
    unread_members(raw, _CONTENT, wire.ContentPart, at, losses)
    return losses


def unread_of_response(response: wire.Response, body: bytes | msgspec.Raw) -> Losses:
    """Return a loss for what a response, and not its items, says and no other dialect has.

    What it repeats of the request is no news to anybody.
    """
    losses = [Loss("/" + name, "has no counterpart in other dialects") for name, _ in present(response, _ANSWERED)]
    return losses + walk_unread(body, wire.Response)


def content_of(raw: msgspec.Raw, at: str = "") -> wire.ContentPart | Opaque:
    """Return a text or a refusal; anything else is opaque, whatever its members are."""
    tag = wire.item_head_decoder.decode(raw).type or "output_text"
    return wire.part_decoder.decode(raw) if tag in _TEXTS else Opaque(ME, tag, raw, at)


CALLS = frozenset({"function_call", "custom_tool_call"})


def call_of(item: wire.OutputItem, kind: str, at: str) -> ToolCall:
    """Return a call. Where a server gives no call_id, the item's id will do."""
    call_id = item.call_id or item.id or "call_" + at.rpartition("/")[2]
    name = unescape_name(item.name or "")
    if kind == "custom_tool_call":
        return ToolCall(call_id, name, item.input or "", at, custom=True)
    return ToolCall(call_id, name, item.arguments or "{}", at)


def reasoning_of(item: wire.ReasoningItem, at: str = "") -> Reasoning | None:
    """Return an item's reasoning; None where there is neither text nor token."""
    text = "\n\n".join(part.text for part in (*item.summary, *(item.content or ())))
    if not item.encrypted_content:
        return Reasoning(text, at, id=item.id or None) if text else None
    token, redacted = unmark_redacted(read_token(item.id or None, item.encrypted_content))
    return Reasoning(text, at, token, redacted, item.id or None)


# ----------------------------------------------------------------------------------------------- writing


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
                annotations = annotations_of(part.citations, citations_at(part.at), self.losses)
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
        return wire.CustomToolCall(call_id, call.name, call.arguments, item_id)
    arguments = call.arguments or "{}"
    return wire.FunctionCall(call_id, call.name, arguments, item_id, status=call_status(arguments))


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
