"""Write turns as input items.

Each item is encoded by itself and never again looked at: a history that grows keeps the bytes it had, which is what
prompt caches compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    Audio,
    CacheMark,
    File,
    Image,
    Loss,
    Losses,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.members import citations_at, mark_at, member, token_at
from trio_gateway.dialects.openai_responses.item_decoder import DEVELOPER_SIDE
from trio_gateway.dialects.openai_responses.items import (
    CALL_ID_MAX,
    CONTENT_TAGS,
    ME,
    TTLS,
    annotations_of,
    carry_call_id,
    write_token,
    written_name,
)
from trio_gateway.dialects.openai_responses.media import wire_file, wire_image
from trio_gateway.dialects.unanswered import NO_RESULT, TEXT_STANDS_IN, unanswered

_PHASES = frozenset({"commentary", "final_answer"})


class ItemWriter:
    """Turns in, encoded items out, in `items`. Raises InvalidRequest for media that OpenAI cannot reach.

    A call's result may come late, but where none is in the `history`, OpenAI refuses the request: a text stands in.
    """

    __slots__ = ("_after", "_can", "_content", "_history", "_last_phase", "_last_spoke", "_open", "_phase", "_source",
                 "_stand_ins", "_turn", "_unanswered", "items", "losses")  # fmt: skip

    def __init__(self, source: str, can: Capabilities, losses: Losses, history: Sequence[Turn] = ()) -> None:
        self.items: list[msgspec.Raw] = []
        self.losses = losses
        self._source = source
        self._can = can
        self._content: list[Text | Refusal | Opaque] = []  # of the assistant's message that is being collected
        # What the last item was, if it was the assistant's; of its turn the phase, and whether it holds a message;
        # the phase of the turn at hand.
        self._after: Literal["message", "other"] | None = None
        self._last_phase: str | None = None
        self._last_spoke = False
        self._phase: str | None = None
        self._turn: Turn | None = None  # the assistant's, as long as nothing of it is written
        self._history = history
        self._unanswered: frozenset[int] | None = None  # the identities of its calls without one; None before the first
        self._open: list[ToolCall] = []  # those of them that were made last
        self._stand_ins = 0  # none of them is counted: a longer history may have the result, and else begins the same

    def write(self, turn: Turn) -> None:
        """Write one turn."""
        if self._open and turn.role != "tool":
            self.end()
        if turn.name is not None:
            self.losses.append(Loss(f"{turn.at}/name", "a message has no name here"))
        if turn.role == "assistant":
            self._assistant(turn)
            return
        self._after = None
        if turn.phase is not None:
            self.losses.append(Loss(turn.phase_pointer, "only an assistant's message has a phase"))
        if turn.role == "tool":
            self._tool(turn)
        else:
            self._message(turn)

    def _message(self, turn: Turn) -> None:
        parts = turn.parts
        if len(parts) == 1 and type(parts[0]) is Opaque and parts[0].tag in DEVELOPER_SIDE and parts[0].dialect == ME:
            self.items.append(parts[0].raw)
        else:
            self._item(wire.Message(turn.role, self._input(parts)))

    def _item(self, item: msgspec.Struct) -> None:
        self.items.append(msgspec.Raw(wire.encode(item)))

    # ------------------------------------------------------------------------------------- assistant

    def _assistant(self, turn: Turn) -> None:
        if not turn.parts:
            self.losses.append(Loss(turn.at, "the assistant says nothing in it"))
            return
        phase = turn.phase
        spoken = any(type(part) in (Text, Refusal) for part in turn.parts)
        if phase is not None and (phase not in _PHASES or not spoken):
            self.losses.append(Loss(turn.phase_pointer, "a phase is a message's, commentary or final_answer"))
            phase = None
        self._turn, self._phase = turn, phase
        for part in turn.parts:
            self._output(part)
        self._end_message()
        if self._turn is not turn:
            self._last_phase, self._last_spoke = phase, spoken

    def _write(self, item: msgspec.Struct | msgspec.Raw, kind: Literal["message", "other"]) -> None:
        """Write an item of the assistant's. The first of a turn says whether the turn can be told from the last."""
        if self._turn is not None:
            other_phase = self._last_spoke and self._phase != self._last_phase
            told_apart = kind == "message" and (self._after == "message" or other_phase)
            if self._after is not None and not told_apart:
                self.losses.append(Loss(self._turn.at, "joined with the assistant's turn before it"))
            self._turn = None
        self.items.append(item if type(item) is msgspec.Raw else msgspec.Raw(wire.encode(item)))
        self._after = kind

    def _output(self, part: Part) -> None:
        match part:
            case Text():
                if part.cache is not None:
                    at = mark_at(part.cache, part.at)
                    self.losses.append(Loss(at, "what the model said carries no cache mark here"))
                self._lose_token(part)
                self._content.append(part)
            case Refusal():
                self._content.append(part)
            case Reasoning():
                self._reasoning(part)
            case ToolCall():
                self._call(part)
            case Opaque() if part.dialect == ME and part.tag.startswith(CONTENT_TAGS):
                self._content.append(part)
            case Opaque() if part.dialect == ME:
                self._end_message()
                self._write(part.raw, "other")
            case _:
                self.losses.append(Loss(part.at, f"an assistant's {_kind(part)} has no counterpart here"))

    def _end_message(self) -> None:
        """Write the message whose content has been collected.

        A plain text goes without the id that a whole message must have, and that we would have to make up.
        """
        if not self._content:
            return
        content, self._content = self._content, []
        first = content[0]
        if len(content) == 1 and isinstance(first, Text) and not first.citations:
            self._write(wire.Message("assistant", first.text, phase=self._phase), "message")
            return
        phase = msgspec.UNSET if self._phase is None else self._phase
        written = [self._output_part(part) for part in content]
        self._write(
            wire.OutputMessage(f"msg_{len(self.items) - self._stand_ins}", "completed", written, phase=phase), "message"
        )

    def _output_part(self, part: Text | Refusal | Opaque) -> msgspec.Raw:
        if isinstance(part, Opaque):
            return part.raw
        if isinstance(part, Refusal):
            return msgspec.Raw(wire.encode(wire.RefusalPart(part.text)))
        annotations = annotations_of(part.citations, citations_at(self._source, part.at), self.losses)
        return msgspec.Raw(wire.encode(wire.OutputText(annotations, [], part.text)))

    def _reasoning(self, part: Reasoning) -> None:
        if part.token is None or part.token.issuer != ME:
            self.losses.append(Loss(part.at, "reasoning that this provider has not signed is refused here"))
            return
        item_id, encrypted = write_token(part.token)
        self._end_message()
        summary = [wire.SummaryText(part.text)] if part.text else []
        item_id = item_id or part.id
        self._write(wire.ReasoningItem(item_id or msgspec.UNSET, summary, encrypted_content=encrypted), "other")

    def _call(self, part: ToolCall) -> None:
        self._lose_token(part)
        if part.cache is not None:
            self.losses.append(Loss(mark_at(part.cache, part.at), "a call carries no cache mark here"))
        name = written_name(part.name, part.at)
        self._end_message()
        call_id = self._call_id(part.id, part.at)
        prefix = "ctc_" if part.custom else "fc_"
        item_id = part.item_id if part.item_id is not None and part.item_id.startswith(prefix) else None
        if part.item_id is not None and item_id is None:
            at = member(self._source, part.at, "item_id")
            self.losses.append(Loss(at, "the item's id does not look like OpenAI's"))
        if part.custom:
            self._write(wire.CustomToolCall(call_id, name, part.arguments, item_id, part.namespace), "other")
        else:
            self._write(wire.FunctionCall(call_id, name, part.arguments or "{}", item_id, part.namespace), "other")
        if self._unanswered is None:
            self._unanswered = unanswered(self._history)
        if id(part) in self._unanswered:
            self._open.append(part)

    # ---------------------------------------------------------------------------------- tool results

    def _tool(self, turn: Turn) -> None:
        for part in turn.parts:
            if type(part) is ToolResult:
                self._result(part)
            elif type(part) is Opaque and part.dialect == ME:
                self.items.append(part.raw)
            else:
                self.losses.append(Loss(part.at, f"{_kind(part)} has no place among tool results"))

    def _result(self, result: ToolResult) -> None:
        if result.is_error:
            at = member(self._source, result.at, "is_error")
            self.losses.append(Loss(at, "that a call failed cannot be said here, but in its text"))
        call_id = self._call_id(result.call_id, result.at)
        parts, mark = result.parts, None
        if result.cache is not None:
            at = mark_at(result.cache, result.at)
            self.losses.append(Loss(at, "the cache mark of a result goes to its last part"))
            mark = result.cache
        output: str | list[msgspec.Raw]
        if mark is None and not parts:
            output = ""
        elif mark is None and len(parts) == 1 and type(parts[0]) is Text and _is_plain(parts[0]):
            output = parts[0].text
        else:
            output = self._input(parts, mark)
        if result.custom:
            if result.name is not None:
                at = member(self._source, result.at, "tool_name")
                self.losses.append(Loss(at, "a custom tool's output has no name"))
            self._item(wire.CustomToolCallOutput(output, call_id))
        else:
            self._item(wire.FunctionCallOutput(output, call_id, name=result.name, namespace=result.namespace))

    def end(self) -> None:
        """Answer the calls that were made last and got no result."""
        for call in self._open:
            self.losses.append(Loss(call.at, TEXT_STANDS_IN))
            output = wire.CustomToolCallOutput if call.custom else wire.FunctionCallOutput
            self._item(output(NO_RESULT, carry_call_id(call.id)))
            self._stand_ins += 1
            self._after = None
        self._open = []

    def _call_id(self, call_id: str, at: str) -> str:
        written = carry_call_id(call_id)
        if written != call_id:
            self.losses.append(Loss(at, f"an id of more than {CALL_ID_MAX} characters is replaced by its hash"))
        return written

    # ---------------------------------------------------------------------------------- content in

    def _input(self, parts: list[Part], last_mark: CacheMark | None = None) -> list[msgspec.Raw]:
        content: list[msgspec.Raw] = []
        for index, part in enumerate(parts):
            extra = last_mark if index == len(parts) - 1 else None
            written = self._input_part(part, extra)
            if written is not None:
                content.append(written if type(written) is msgspec.Raw else msgspec.Raw(wire.encode(written)))
        return content

    def _input_part(
        self, part: Part, extra: CacheMark | None
    ) -> wire.InputText | wire.InputImage | wire.InputFile | msgspec.Raw | None:
        written: wire.InputText | wire.InputImage | wire.InputFile
        if isinstance(part, Text):
            if part.citations:
                at = citations_at(self._source, part.at)
                self.losses.append(Loss(at, "what is put in carries no citations here"))
            self._lose_token(part)
            written = wire.InputText(part.text)
        elif isinstance(part, Image) and self._can.images:
            written = wire_image(part, self._source, self._can.image_urls, self.losses)
        elif isinstance(part, File) and self._can.files:
            written = wire_file(part, self._source, self.losses)
        elif isinstance(part, Refusal):
            self.losses.append(Loss(part.at, "a refusal that is not the model's is sent as text"))
            written = wire.InputText(part.text)
        else:
            if type(part) is Opaque and part.dialect == ME:
                return part.raw
            self.losses.append(Loss(part.at, f"this model takes no {_kind(part)} here"))
            return None
        mark = extra if isinstance(part, Refusal) else part.cache or extra
        if mark is not None:
            written.prompt_cache_breakpoint = self._breakpoint(mark, part.at)
        return written

    def _lose_token(self, part: Text | ToolCall) -> None:
        if part.token is not None:
            at = token_at(self._source, part)
            self.losses.append(Loss(at, f"a token of {part.token.issuer} is of no use here"))

    def _breakpoint(self, mark: CacheMark, at: str) -> wire.PromptCacheBreakpoint | None:
        at = mark_at(mark, at)
        if not self._can.cache_breakpoints:
            self.losses.append(Loss(at, "this model takes no cache marks"))
            return None
        ttl = mark.ttl
        if ttl is not None and ttl not in TTLS:
            self.losses.append(Loss(at, f"a cache cannot live for {ttl} here: the default is used"))
            ttl = None
        return wire.PromptCacheBreakpoint("explicit", ttl)


def _is_plain(text: Text) -> bool:
    return text.cache is None and not text.citations and text.token is None


def _kind(part: Part) -> str:
    return part.tag if isinstance(part, Opaque) else "audio" if isinstance(part, Audio) else type(part).__name__.lower()
