"""Write turns as Chat's messages.

Chat has one content and one list of calls an assistant message, text only in system and tool messages, and no
place for reasoning; the results of calls come right after them, and where one is missing there, OpenAI refuses the
request. What that moves or drops is a loss. What the model said depends on the turns before it alone, and with it all
that was said before: a longer history begins with the same bytes, but for results that had not come.
"""

from __future__ import annotations

import hashlib

from gateway_schemas import openai_chat as wire_chat
from gateway_schemas.openai_chat import ContentPart, Message, PromptCacheBreakpoint
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
from trio_gateway.dialects.openai_chat.media import audio_part, file_part, image_part
from trio_gateway.dialects.openai_chat.reasoning import ME, details_of, extra_of_token
from trio_gateway.dialects.unanswered import NO_RESULT, TEXT_STANDS_IN, TOO_LATE, OpenCalls

_MAX_ID = 40  # what OpenAI takes as the id of a call
_TTLS = ("30m", "12h")
_UNREADABLE = "a reasoning token of {} means nothing to another provider"


class MessageWriter:
    """Writes the messages of one request. Raises InvalidRequest for media that Chat has no way to name."""

    __slots__ = ("_capabilities", "_losses", "_moved", "_names", "_open", "_place", "_source", "messages")

    def __init__(self, source: str, capabilities: Capabilities, losses: Losses) -> None:
        self.messages: list[Message] = []
        self._source = source
        self._capabilities = capabilities
        self._losses = losses
        self._names: dict[str, str] = {}  # call id → function name
        self._open = OpenCalls()
        self._place = 0  # in `messages`, of the next result of the calls that wait
        self._moved: list[ContentPart] = []  # media of the tool results at hand: they follow as a user message

    def write(self, turns: list[Turn]) -> list[Message]:
        for turn in turns:
            if turn.phase is not None:
                self._lose(turn.phase_pointer, "Chat has no phase of a message")
            self._write_turn(turn)
        self._stand_in()
        self._end_results()
        return self.messages

    def _write_turn(self, turn: Turn) -> None:
        if turn.role == "assistant":
            message = self._assistant(turn)
            if turn.parts and message == wire_chat.AssistantMessage("", turn.name):
                self._lose(turn.at, "nothing of it is left")
            else:
                if self._open.waiting:
                    self._stand_in()
                self._append(message)
                if message.tool_calls and self._source != ME:
                    self._ask(turn)
        elif turn.role == "tool":
            self._tool(turn)
        elif turn.role == "user":
            self._append(wire_chat.UserMessage(self._content(turn, media=True), turn.name))
        elif turn.role == "developer":
            self._append(wire_chat.DeveloperMessage(self._content(turn, media=False), turn.name))
        else:
            self._append(wire_chat.SystemMessage(self._content(turn, media=False), turn.name))

    def _append(self, message: Message) -> None:
        """Append a message that is no result."""
        if self._moved:
            self._end_results()
        self.messages.append(message)

    def _lose(self, at: str, reason: str) -> None:
        self._losses.append(Loss(at, reason))

    # ------------------------------------------------------------------------------------------ content

    def _content(self, turn: Turn, *, media: bool) -> str | list[ContentPart]:
        parts: list[ContentPart] = []
        for part in turn.parts:
            if isinstance(part, Text):
                self._append_text(parts, part)
            elif isinstance(part, Image | Audio | File) and media:
                written = self._media(part)
                if written is not None:
                    parts.append(written)
            elif isinstance(part, Opaque) and part.dialect == ME:
                self._lose(part.at, f"a part of the type {part.tag!r} is not sent on")
            else:
                self._lose(part.at, f"a {turn.role} message of Chat has no place for {_name(part)}")
        return _plain(parts)

    def _append_text(self, parts: list[ContentPart], part: Text) -> None:
        if part.citations:
            self._lose(citations_at(self._source, part.at), "messages sent to Chat have no citations")
        if part.token is not None:
            self._lose(token_at(self._source, part), "Chat's texts carry no reasoning token")
        if part.text:
            parts.append(ContentPart("text", text=part.text, prompt_cache_breakpoint=self._mark(part.cache, part.at)))
        elif part.cache is not None:
            self._lose(mark_at(part.cache, part.at), "an empty text, and its cache mark")

    def _media(self, part: Image | Audio | File) -> ContentPart | None:
        can, written = self._capabilities, None
        if isinstance(part, Image):
            if can.images:
                written = image_part(part, self._source, can.image_urls, self._losses)
            else:
                self._lose(part.at, "this model takes no images")
        elif isinstance(part, Audio):
            if can.audio:
                written = audio_part(part, self._losses)
            else:
                self._lose(part.at, "this model takes no audio")
        elif can.files or part.media.kind == "text":
            written = file_part(part, self._source, self._losses)
        else:
            self._lose(part.at, "this model takes no files")
        if written is not None:
            written.prompt_cache_breakpoint = self._mark(part.cache, part.at)
        return written

    def _mark(self, mark: CacheMark | None, at: str) -> PromptCacheBreakpoint | None:
        if mark is None:
            return None
        at = mark_at(mark, at)
        if not self._capabilities.cache_breakpoints:
            self._lose(at, "this model takes no cache marks")
            return None
        if mark.ttl is not None and mark.ttl not in _TTLS:
            self._lose(at, f"Chat has no cache lifetime of {mark.ttl}")
            return PromptCacheBreakpoint("explicit")
        return PromptCacheBreakpoint("explicit", mark.ttl)

    # ---------------------------------------------------------------------------------------- assistant

    def _assistant(self, turn: Turn) -> wire_chat.AssistantMessage:
        message = wire_chat.AssistantMessage(name=turn.name)
        parts: list[ContentPart] = []
        calls: list[wire_chat.ToolCall] = []
        thoughts: list[Reasoning] = []
        for part in turn.parts:
            if isinstance(part, ToolCall):
                calls.append(self._call(part))
                continue
            if calls or (isinstance(part, Reasoning) and parts):
                self._lose(part.at, "Chat has no order between text, reasoning and tool calls: this moves forward")
            if isinstance(part, Text):
                self._append_text(parts, part)
            elif isinstance(part, Refusal):
                parts.append(ContentPart("refusal", refusal=part.text))
            elif isinstance(part, Reasoning):
                self._reasoning(thoughts, part)
            elif isinstance(part, Audio) and part.media.kind == "file_id" and self._source == ME:
                message.audio = wire_chat.AudioRef(part.media.value)
            else:
                self._lose(part.at, f"an assistant message of Chat has no place for {_name(part)}")
        message.content = _plain(parts)
        if thoughts:
            message.reasoning_content = "".join(thought.text for thought in thoughts) or None
            message.reasoning_details = details_of(thoughts)
            if message.reasoning_details is None and thoughts[0].id is not None:
                self._lose(member(self._source, thoughts[0].at, "item_id"), "only signed reasoning has an id in Chat")
        if calls:
            message.tool_calls = calls
            message.content = message.content or None
        return message

    def _reasoning(self, thoughts: list[Reasoning], part: Reasoning) -> None:
        if not self._capabilities.replay_reasoning:
            self._lose(part.at, "Chat has no place for earlier reasoning")
            return
        token = part.token
        if token is not None and token.issuer != ME:
            self._lose(token_at(self._source, part), _UNREADABLE.format(token.issuer))
            token = None
        if part.text or token is not None:
            thoughts.append(Reasoning(part.text, part.at, token, part.redacted and token is not None, part.id))
        elif part.id is not None:
            self._lose(part.at, "reasoning of which nothing is left")

    def _call(self, call: ToolCall) -> wire_chat.ToolCall:
        self._names[call.id] = call.name
        if call.cache is not None:
            self._lose(mark_at(call.cache, call.at), "Chat's tool calls carry no cache mark")
        if call.item_id is not None:
            self._lose(member(self._source, call.at, "item_id"), "Chat's tool calls have one id only")
        token = call.token
        if token is not None and token.issuer != ME:
            self._lose(token_at(self._source, call), _UNREADABLE.format(token.issuer))
            token = None
        written = wire_chat.ToolCall(self._id(call.id, call.at), extra_content=extra_of_token(token))
        if call.custom:
            written.type = "custom"
            written.custom = wire_chat.CustomCall(call.name, call.arguments)
        else:
            written.type = "function"
            written.function = wire_chat.FunctionCall(call.name, call.arguments or "{}")
        return written

    def _id(self, call_id: str, at: str) -> str:
        """Return the id as it is, or where it is too long its hash: the same for the call and its result."""
        if len(call_id) <= _MAX_ID:
            return call_id
        self._lose(at, f"an id of more than {_MAX_ID} characters is replaced by its hash")
        return _short_id(call_id)

    # ------------------------------------------------------------------------------------- tool results

    def _ask(self, turn: Turn) -> None:
        self._place = len(self.messages)
        for part in turn.parts:
            if type(part) is ToolCall:
                self._open.ask(part)

    def _tool(self, turn: Turn) -> None:
        for part in turn.parts:
            if not isinstance(part, ToolResult):
                self._lose(part.at, f"a tool message of Chat has no place for {_name(part)}")
            elif self._open.answer(part):
                if self._place < len(self.messages):
                    self._lose(part.at, "moved before what stands between it and its call")
                self._insert(self._result(part))
            elif self._open.is_passed_over(part):
                self._lose(part.at, TOO_LATE)
            else:
                self.messages.append(self._result(part))

    def _result(self, result: ToolResult) -> wire_chat.ToolMessage:
        if result.is_error:
            self._lose(member(self._source, result.at, "is_error"), "Chat cannot say that a tool failed")
        if result.name is not None and result.name != self._names.get(result.call_id):
            self._lose(member(self._source, result.at, "tool_name"), "Chat's tool messages do not name the tool")
        parts: list[ContentPart] = []
        for part in result.parts:
            if isinstance(part, Text):
                self._append_text(parts, part)
            elif isinstance(part, Image | Audio | File):
                written = self._media(part)
                if written is not None:
                    self._lose(part.at, "Chat's tool messages hold text only: this follows in a user message")
                    self._moved.append(written)
            else:
                self._lose(part.at, f"a tool message of Chat has no place for {_name(part)}")
        mark = self._mark(result.cache, result.at)
        if mark is not None and parts:
            parts[-1].prompt_cache_breakpoint = mark
        elif mark is not None and result.cache is not None:
            self._lose(mark_at(result.cache, result.at), "an empty result carries no cache mark")
        return wire_chat.ToolMessage(self._id(result.call_id, result.at), _plain(parts))

    def _insert(self, result: wire_chat.ToolMessage) -> None:
        self.messages.insert(self._place, result)
        self._place += 1

    def _stand_in(self) -> None:
        """The model goes on, or is to: what has not been answered never will be."""
        for call in self._open.pass_over():
            self._lose(call.at, TEXT_STANDS_IN)
            self._insert(wire_chat.ToolMessage(_short_id(call.id), NO_RESULT))

    def _end_results(self) -> None:
        if self._moved:
            self.messages.append(wire_chat.UserMessage(self._moved))
            self._moved = []


def _short_id(call_id: str) -> str:
    if len(call_id) <= _MAX_ID:
        return call_id
    return "call_" + hashlib.sha256(call_id.encode()).hexdigest()[: _MAX_ID - len("call_")]


def _plain(parts: list[ContentPart]) -> str | list[ContentPart]:
    """Return the commonest content, one text, in its commonest form; some servers know no other."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].text is not None and parts[0].prompt_cache_breakpoint is None:
        return parts[0].text
    return parts


_NAMES: dict[type, str] = {
    Text: "text",
    Image: "images",
    Audio: "audio",
    File: "files",
    Reasoning: "reasoning",
    ToolCall: "tool calls",
    ToolResult: "tool results",
    Refusal: "refusals",
}


def _name(part: Part) -> str:
    return f"{part.dialect}'s {part.tag}" if isinstance(part, Opaque) else _NAMES[type(part)]
