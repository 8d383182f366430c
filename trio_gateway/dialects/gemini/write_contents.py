"""Turns, written as contents and a systemInstruction.

A content with calls is followed by one with exactly one response for each of them, in their order: the API refuses
anything else. Where the history says otherwise, it is made so, and said.
"""

from __future__ import annotations

import re
from typing import cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.arguments import object_of, wrap
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    Audio,
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
from trio_gateway.dialects.gemini.media import write_media
from trio_gateway.dialects.gemini.names import wire_id
from trio_gateway.dialects.gemini.results import NO_RESULT, write_result
from trio_gateway.dialects.gemini.tokens import NAME, SKIP_SIGNATURE
from trio_gateway.dialects.members import citations_at, mark_at, member, token_at
from trio_gateway.dialects.names import carry_name
from trio_gateway.dialects.unanswered import ERROR_STANDS_IN
from trio_gateway.dialects.wire import BAD_BODY

_INT_EXACT = 2**53
_INT_MAX = 2**1000  # near the end of a double's range
_long_digits = re.compile(rb"[0-9]{16}|[eE][+-]?[0-9]{3}").search
_decode = msgspec.json.Decoder().decode


def has_inexact_integer(arguments: bytes) -> bool:
    """Return whether a number in `arguments` changes when it becomes a double, as Google keeps numbers."""
    if _long_digits(arguments) is None:
        return False
    try:
        found = [_decode(arguments)]
    except BAD_BODY:  # a number that no double can be
        return True
    while found:
        value = found.pop()
        if isinstance(value, dict):
            found += value.values()
        elif isinstance(value, list):
            found += value
        elif (
            isinstance(value, int) and abs(value) > _INT_EXACT and (abs(value) > _INT_MAX or int(float(value)) != value)
        ):
            return True
    return False


class _Call(msgspec.Struct):
    """A call that has been written, and waits for its response."""

    id: str
    name: str  # as written
    neutral_name: str
    wire_id: str | UnsetType
    at: str


class ContentsWriter:
    """Writes one conversation's turns. Raises InvalidRequest for media that must be inlined."""

    def __init__(self, source: str, can: Capabilities, losses: Losses) -> None:
        self._source = source
        self._can = can
        self._losses = losses
        self._calls: list[_Call] = []
        self._results: list[ToolResult] = []
        self.contents: list[wire_gemini.Content] = []
        self.system: list[wire_gemini.Part] = []

    def write(self, turns: list[Turn]) -> None:
        spoken = False  # something other than the system has been said
        for turn in turns:
            if turn.name is not None:
                self._lose(f"{turn.at}/name", "Gemini's contents have no names")
            if turn.phase is not None:
                self._lose(turn.phase_pointer, "Gemini's contents have no phases")
            if turn.role in ("system", "developer"):
                self._system(turn, spoken)
                continue
            spoken = True
            if turn.role == "assistant":
                self._model(turn)
            else:
                self._user(turn)
        if self._results:
            self._respond()

    def _lose(self, at: str, reason: str) -> None:
        self._losses.append(Loss(at, reason))

    # -- turns

    def _system(self, turn: Turn, spoken: bool) -> None:
        if spoken:
            self._lose(turn.at, "moved to the beginning: Gemini takes instructions nowhere else")
        elif self.system:
            self._lose(turn.at, "joined with the instructions before it")
        if turn.role == "developer":
            self._lose(turn.at, "Gemini's only word for it is systemInstruction")
        for part in turn.parts:
            if isinstance(part, Text):
                if part.text:
                    self.system.append(self._text(part))
                else:
                    self._lose(part.at, "Gemini takes no empty text")
            else:
                self._lose(getattr(part, "at", "") or turn.at, "instructions are text only")

    def _user(self, turn: Turn) -> None:
        rest: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolResult):
                if rest:
                    self._lose(part.at, "moved before what is no result")
                self._results.append(part)
            else:
                rest.append(part)
        if not rest and turn.parts:
            return
        if turn.role == "tool":
            self._lose(turn.at, "what is no result becomes a content of the user")
        parts = [written for part in rest if (written := self._part(part)) is not None]
        if not parts:
            self._lose(turn.at, "left out: Gemini takes no empty content")
            return
        self._settle()
        self.contents.append(wire_gemini.Content(parts, "user"))

    def _model(self, turn: Turn) -> None:
        parts: list[wire_gemini.Part] = []
        calls: list[_Call] = []
        for part in turn.parts:
            written = self._part(part)
            if written is None:
                continue
            if isinstance(part, ToolCall):
                if self._can.thought_signatures and not calls and written.thought_signature is UNSET:
                    written.thought_signature = SKIP_SIGNATURE
                assert written.function_call
                name = written.function_call.name or ""
                calls.append(_Call(part.id, name, part.name, written.function_call.id or UNSET, part.at))
            parts.append(written)
        if not parts:
            self._lose(turn.at, "left out: Gemini takes no empty content")
            return
        self._settle()
        last = self.contents[-1] if self.contents else None
        if calls and last is not None and last.role == "model":
            # A call must come right after the user's content.
            self._lose(turn.at, "joined with the turn before it: Gemini takes calls only after the user's content")
            last.parts = [*(last.parts or ()), *parts]
        else:
            if last is not None and last.role == "model":
                self._lose(turn.at, "Gemini reads it as one with the turn before it")
            self.contents.append(wire_gemini.Content(parts, "model"))
        self._calls = calls

    # -- calls and their responses

    def _settle(self) -> None:
        """Something follows: what was called must have been answered by now."""
        if self._calls or self._results:
            self._respond()

    def _respond(self) -> None:
        answered: dict[int, wire_gemini.FunctionResponse] = {}
        places: list[int] = []
        for result in self._results:
            place = self._place(result, answered)
            if place is None:
                self._lose(result.at, "left out: it answers no call of the turn before it")
                continue
            call = self._calls[place]
            response = write_result(result, self._source, self._can, self._losses)
            if result.name is not None and result.name != call.neutral_name:
                self._lose(member(self._source, result.at, "tool_name"), "the name is that of the call")
            response.name, response.id = call.name, call.wire_id
            answered[place] = response
            places.append(place)
        if places != sorted(places):
            self._lose(self._results[0].at, "the results are put into the order of their calls")
        if len(answered) < len(self._calls):
            for place, call in enumerate(self._calls):
                if place not in answered:
                    self._lose(call.at, ERROR_STANDS_IN)
                    answered[place] = wire_gemini.FunctionResponse(call.wire_id, call.name, NO_RESULT)
        if answered:
            parts = [wire_gemini.Part(function_response=answered[place]) for place in sorted(answered)]
            self.contents.append(wire_gemini.Content(parts, "user"))
        self._calls, self._results = [], []

    def _place(self, result: ToolResult, answered: dict[int, wire_gemini.FunctionResponse]) -> int | None:
        for place, call in enumerate(self._calls):
            if call.id == result.call_id and place not in answered:
                return place
        return None

    # -- parts

    def _part(self, part: Part) -> wire_gemini.Part | None:
        if isinstance(part, Text):
            if part.text or (part.token is not None and part.token.issuer == NAME):
                return self._text(part)
            self._lose(part.at, "Gemini takes no empty text")
            return None
        if isinstance(part, ToolCall):
            return self._call(part)
        if isinstance(part, Reasoning):
            return self._reasoning(part)
        if isinstance(part, Image | Audio | File):
            datum = write_media(part, self._source, self._can, self._losses)
            if datum is None:
                return None
            return wire_gemini.Part(inline_data=datum[0] or UNSET, file_data=datum[1] or UNSET)
        if isinstance(part, Refusal):
            self._lose(part.at, "a refusal becomes text")
            return wire_gemini.Part(text=part.text) if part.text else None
        return self._opaque(part)

    def _opaque(self, part: Opaque | ToolResult) -> wire_gemini.Part | None:
        if isinstance(part, Opaque) and part.dialect == NAME:
            return cast(wire_gemini.Part, part.raw)  # written as the JSON it is
        self._lose(part.at, "Gemini has no such part")
        return None

    def _text(self, part: Text) -> wire_gemini.Part:
        if part.cache is not None:
            self._lose(mark_at(part.cache, part.at), "Gemini has no cache marks")
        if part.citations is not None:
            self._lose(citations_at(self._source, part.at), "Gemini takes no citations")
        return wire_gemini.Part(text=part.text, thought_signature=self._signature(part))

    def _reasoning(self, part: Reasoning) -> wire_gemini.Part | None:
        signature = self._signature(part)
        if part.id is not None:
            self._lose(member(self._source, part.at, "item_id"), "Gemini's thoughts have no ids")
        if part.redacted or (not part.text and signature is UNSET):
            self._lose(part.at, "a thought that nobody here can read is left out")
            return None
        return wire_gemini.Part(text=part.text, thought=True, thought_signature=signature)

    def _call(self, part: ToolCall) -> wire_gemini.Part:
        name = carry_name(part.name, part.at, custom=part.custom)
        if part.cache is not None:
            self._lose(mark_at(part.cache, part.at), "Gemini has no cache marks")
        if part.item_id is not None:
            self._lose(member(self._source, part.at, "item_id"), "Gemini's calls have one id only")
        args = wrap(part.arguments) if part.custom else self._arguments(part)
        return wire_gemini.Part(
            function_call=wire_gemini.FunctionCall(wire_id(part.id), name, args),
            thought_signature=self._signature(part),
        )

    def _arguments(self, part: ToolCall) -> Raw:
        args = object_of(part.arguments)
        if args is None:
            self._lose(part.at, "the arguments are no JSON object: their text is wrapped into one")
            text = part.arguments.encode(errors="replace").decode()
            return Raw(b'{"arguments":%b}' % msgspec.json.encode(text))
        if has_inexact_integer(bytes(args)):
            self._lose(part.at, "Gemini keeps numbers as doubles: an integer of the arguments changes")
        return args

    def _signature(self, part: Text | Reasoning | ToolCall) -> str | UnsetType:
        token = part.token
        if token is None:
            return UNSET
        if token.issuer == NAME:
            return token.value
        self._lose(token_at(self._source, part), f"only {token.issuer} can read the token")
        return UNSET
