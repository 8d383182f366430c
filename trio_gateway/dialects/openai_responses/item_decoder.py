"""Read the input items of a request into turns.

    reasoning, message, function_call, ...        one assistant turn, until a message follows a message directly,
                                                  or one of another phase begins
    function_call_output, ...                     one tool turn
    a message of user, system, developer          a turn of its own

Items of hosted tools, and types that are not known, stay opaque parts, in the turn of the side that speaks there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import (
    CacheMark,
    File,
    Image,
    Loss,
    Losses,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.media import media_of_file_data, media_of_url
from trio_gateway.dialects.openai_responses.items import (
    EMPTY_LISTS,
    ME,
    read_token,
    unmark_alone,
    unmark_previous,
    unmark_redacted,
    unread_members,
)
from trio_gateway.dialects.openai_responses.media import document_of
from trio_gateway.dialects.wire import missing, read_request
from trio_gateway.errors import InvalidRequest

T = TypeVar("T")
Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}

# What a client gives back, so that it stands where tool results stand; what it tells the model.
_TOOL_SIDE = frozenset(
    {
        "apply_patch_call_output",
        "computer_call_output",
        "local_shell_call_output",
        "mcp_approval_response",
        "program_output",
        "shell_call_output",
        "tool_search_output",
    }
)
DEVELOPER_SIDE = frozenset({"additional_tools", "configuration_update", "compaction_trigger"})

_COMPLETED = {"status": (msgspec.Raw(b'"completed"'),)}
_PART_DEFAULTS = {
    "detail": (msgspec.Raw(b'"auto"'),),
    "annotations": EMPTY_LISTS,
    "logprobs": EMPTY_LISTS,
}
_CALL_DEFAULTS = _COMPLETED | {"async": (msgspec.Raw(b"false"),)}

_MESSAGE = frozenset({"type", "role", "content", "phase"})
_REASONING = frozenset({"type", "id", "summary", "content", "encrypted_content"})
_SAID = frozenset({"type", "text"})
_CALL = frozenset({"type", "id", "call_id", "name", "namespace", "arguments", "input"})
_RESULT = frozenset({"type", "call_id", "output", "name", "namespace"})

_TEXT = frozenset({"type", "text", "prompt_cache_breakpoint"})
_ANNOTATED = _TEXT | {"annotations"}
_IMAGE = frozenset({"type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"})
_FILE = frozenset({"type", "file_data", "file_url", "file_id", "filename", "prompt_cache_breakpoint"})
_REFUSAL = frozenset({"type", "refusal"})


class _ReasoningTexts(msgspec.Struct):
    """The texts of a reasoning item as they were written."""

    summary: list[msgspec.Raw] = []
    content: list[msgspec.Raw] | None = None


_reasoning_texts = msgspec.json.Decoder(_ReasoningTexts)


class ItemReader:
    """Reads items in order. `turns` and `losses` grow; nothing that is in `turns` twice is read twice."""

    __slots__ = ("_after_message", "_called", "joined", "losses", "turns")

    def __init__(self, losses: Losses) -> None:
        self.turns: list[Turn] = []
        self.losses = losses
        self.joined: dict[str, list[str]] = {}  # as in Conversation
        self._after_message = False  # the item before was the assistant's message
        self._called: dict[str, ToolCall] = {}  # the last call of each id, as far as any was of a namespace

    def read(self, raw: msgspec.Raw, at: str) -> None:
        """Read one item. Raises InvalidRequest."""
        head = read_request(wire.item_head_decoder, raw, at)
        reader = _READERS.get(head.type or "message")
        if reader is not None and (head.type is not None or head.role is not None):
            reader(self, raw, at)
        elif head.type is not None:
            self._opaque(head.type, raw, at)
        elif head.id is not None:
            self._reference(raw, at)
        else:
            raise missing("An item needs its type, or a message its role", at + "/type")

    # ------------------------------------------------------------------------------------------ turns

    def _part(self, role: Role, part: Part, at: str) -> None:
        """Add a part to the turn at hand, or to a new one where another side spoke last."""
        if self.turns and self.turns[-1].role == role:
            self.turns[-1].parts.append(part)
        else:
            self.turns.append(Turn(role, [part], at))
        self._after_message = False

    def _message(self, raw: msgspec.Raw, at: str) -> None:
        message = read_request(wire.message_decoder, raw, at)
        role = _ROLES.get(message.role)
        if role is None:
            raise InvalidRequest(
                f"The role at {at}/role must be user, assistant, system or developer.",
                code="invalid_value",
                pointer=at + "/role",
            )
        unread_members(raw, _MESSAGE, wire.Message, at, self.losses, _COMPLETED)
        parts = self.content(message.content, at + "/content")
        if role != "assistant":
            if message.phase is not None:
                self.losses.append(Loss(at + "/phase", "only an assistant's message has a phase"))
            self.turns.append(Turn(role, parts, at))
            self._after_message = False
            return
        turn = self.turns[-1] if self.turns else None
        if turn is None or turn.role != role or self._after_message or self._other_phase(turn, message.phase):
            self.turns.append(Turn(role, parts, at, phase=message.phase))
        else:
            turn.parts += parts
            if turn.phase is None:
                turn.phase, turn.phase_at = message.phase, at
            else:
                self.joined.setdefault(turn.phase_pointer, []).append(at + "/phase")
        self._after_message = True

    @staticmethod
    def _other_phase(turn: Turn, phase: str | None) -> bool:
        if turn.phase == phase:
            return False
        return turn.phase is not None or any(type(part) in (Text, Refusal) for part in turn.parts)

    # ------------------------------------------------------------------------------------------ items

    def _reasoning(self, raw: msgspec.Raw, at: str) -> None:
        item = read_request(wire.reasoning_decoder, raw, at)
        unread_members(raw, _REASONING, wire.ReasoningItem, at, self.losses, _COMPLETED)
        item_id = item.id or None
        token, redacted = None, False
        if item.encrypted_content:
            token, redacted = unmark_redacted(read_token(item_id, item.encrypted_content))
            if (alone := unmark_alone(token)) is not None:
                self._part("assistant", Text("", at, token=alone, token_at=at), at)
                return
            carried = unmark_previous(token)
            if carried is not None:
                self._sign(Reasoning("", at, carried))
                return
        self._unread_texts(raw, at)
        texts = [part.text for part in item.summary] + [part.text for part in item.content or ()]
        if len(texts) > 1:
            self.losses.append(Loss(at, "the parts of a reasoning item are joined to one text"))
        self._part("assistant", Reasoning("\n\n".join(texts), at, token, redacted, item_id), at)

    def _unread_texts(self, raw: msgspec.Raw, at: str) -> None:
        """Note what the texts of a reasoning item hold besides."""
        said = _reasoning_texts.decode(raw)
        for name, parts in (("summary", said.summary), ("content", said.content)):
            for index, part in enumerate(parts or ()):
                unread_members(part, _SAID, wire.SummaryText, f"{at}/{name}/{index}", self.losses)

    def _sign(self, carrier: Reasoning) -> None:
        """Give a token back to the part that it was taken from: the one before its carrier."""
        last = self.turns[-1].parts[-1:] if self.turns and self.turns[-1].role == "assistant" else []
        if last and isinstance(last[0], Text | ToolCall) and last[0].token is None:
            last[0].token, last[0].token_at = carrier.token, carrier.at
        else:
            self.losses.append(Loss(carrier.at, "the text or call that this token belongs to is not before it"))

    def _function_call(self, raw: msgspec.Raw, at: str) -> None:
        call = read_request(wire.function_call_decoder, raw, at)
        unread_members(raw, _CALL, wire.FunctionCall, at, self.losses, _CALL_DEFAULTS)
        part = ToolCall(_call_id(call.call_id, at), call.name, call.arguments or "{}", at, item_id=call.id)
        self._call(part, call.namespace, at)

    def _custom_call(self, raw: msgspec.Raw, at: str) -> None:
        call = read_request(wire.custom_call_decoder, raw, at)
        unread_members(raw, _CALL, wire.CustomToolCall, at, self.losses, _CALL_DEFAULTS)
        part = ToolCall(_call_id(call.call_id, at), call.name, call.input, at, custom=True, item_id=call.id)
        self._call(part, call.namespace, at)

    def _call(self, call: ToolCall, namespace: str | None, at: str) -> None:
        call.namespace = namespace or None
        if call.namespace is not None or self._called:
            self._called[call.id] = call
        self._part("assistant", call, at)

    def _function_output(self, raw: msgspec.Raw, at: str) -> None:
        item = read_request(wire.function_call_output_decoder, raw, at)
        unread_members(raw, _RESULT, wire.FunctionCallOutput, at, self.losses, _COMPLETED)
        call_id = _call_id(item.call_id, at)
        result = ToolResult(call_id, self.content(item.output, at + "/output"), at, item.name or None)
        result.namespace = self._namespace_of_result(item, at)
        self._part("tool", result, at)

    def _namespace_of_result(self, item: wire.FunctionCallOutput, at: str) -> str | None:
        """Return the namespace that a result's name is of. Both only say again what its call has said."""
        call = self._called.get(item.call_id or "")
        namespace = None if call is None else call.namespace
        if item.namespace and item.namespace != namespace:
            self.losses.append(Loss(at + "/namespace", "the call of this output is of another namespace"))
            return None
        is_of_call = call is not None and item.name == call.name
        return namespace if item.name and (item.namespace or is_of_call) else None

    def _custom_output(self, raw: msgspec.Raw, at: str) -> None:
        item = read_request(wire.custom_call_output_decoder, raw, at)
        unread_members(raw, _RESULT - {"name", "namespace"}, wire.CustomToolCallOutput, at, self.losses, _COMPLETED)
        call_id = _call_id(item.call_id, at)
        self._part("tool", ToolResult(call_id, self.content(item.output, at + "/output"), at, custom=True), at)

    def _reference(self, _raw: msgspec.Raw, at: str) -> None:
        raise InvalidRequest(
            f"The item at {at} refers to one that the provider stored, and the model asked for is another provider's: "
            "send the item itself.",
            code="unsupported_value",
            pointer=at,
        )

    def _opaque(self, tag: str, raw: msgspec.Raw, at: str) -> None:
        part = Opaque(ME, tag, raw, at)
        if tag in DEVELOPER_SIDE:
            self.turns.append(Turn("developer", [part], at))
            self._after_message = False
        else:
            self._part("tool" if tag in _TOOL_SIDE else "assistant", part, at)

    # ------------------------------------------------------------------------------------------ parts

    def content(self, content: str | list[msgspec.Raw] | None, at: str) -> list[Part]:
        """Return the parts of a message or an output. Empty texts are none. Raises InvalidRequest."""
        if not content:
            return []
        if isinstance(content, str):
            return [Text(content, at)]
        found = (self._content_part(raw, f"{at}/{index}") for index, raw in enumerate(content))
        return [part for part in found if part is not None]

    def _content_part(self, raw: msgspec.Raw, at: str) -> Part | None:
        try:
            part = wire.part_decoder.decode(raw)
        except msgspec.ValidationError:
            # A type that is not known may have members of other types by the same names.
            tag = read_request(wire.item_head_decoder, raw, at).type
            if tag is None or tag in _PART_READERS:
                part = read_request(wire.part_decoder, raw, at)
            else:
                return Opaque(ME, tag, raw, at)
        reader = _PART_READERS.get(part.type)
        return Opaque(ME, part.type, raw, at) if reader is None else reader(self, part, raw, at)

    def _text(self, part: wire.ContentPart, raw: msgspec.Raw, at: str) -> Part | None:
        text = _required(part.text, "text", at)
        unread_members(raw, _ANNOTATED, wire.ContentPart, at, self.losses, _PART_DEFAULTS)
        if not text and part.prompt_cache_breakpoint is None:
            return None
        return Text(text, at, self._cache(part, at), part.annotations or None)

    def _image(self, part: wire.ContentPart, raw: msgspec.Raw, at: str) -> Part:
        unread_members(raw, _IMAGE, wire.ContentPart, at, self.losses)
        if part.image_url is not None:
            media = media_of_url(part.image_url, at + "/image_url", self.losses)
            if part.file_id is not None:
                self.losses.append(Loss(at + "/file_id", "image_url is given too, and counts"))
        else:
            media = Media("file_id", _required(part.file_id, "image_url", at))
        detail = None if part.detail == "auto" else part.detail
        return Image(media, at, detail, self._cache(part, at))

    def _file(self, part: wire.ContentPart, raw: msgspec.Raw, at: str) -> Part:
        unread_members(raw, _FILE, wire.ContentPart, at, self.losses, _PART_DEFAULTS)
        given = [name for name in ("file_data", "file_url", "file_id") if getattr(part, name) is not None]
        for name in given[1:]:
            self.losses.append(Loss(f"{at}/{name}", f"{given[0]} is given too, and counts"))
        if part.file_data is not None:
            media = document_of(media_of_file_data(part.file_data, at + "/file_data", self.losses))
        elif part.file_url is not None:
            media = media_of_url(part.file_url, at + "/file_url", self.losses)
        else:
            media = Media("file_id", _required(part.file_id, "file_data", at))
        return File(media, at, part.filename, cache=self._cache(part, at))

    def _refusal(self, part: wire.ContentPart, raw: msgspec.Raw, at: str) -> Part | None:
        unread_members(raw, _REFUSAL, wire.ContentPart, at, self.losses)
        text = _required(part.refusal, "refusal", at)
        return Refusal(text, at) if text else None

    def _cache(self, part: wire.ContentPart, at: str) -> CacheMark | None:
        mark = part.prompt_cache_breakpoint
        if mark is None:
            return None
        if mark.mode not in (None, "explicit"):
            self.losses.append(Loss(at + "/prompt_cache_breakpoint/mode", f"the mode {mark.mode!r} is not known"))
        return CacheMark(mark.ttl, at + "/prompt_cache_breakpoint")


def _required(value: T | None, name: str, at: str) -> T:
    if value is None:
        raise missing(f"A part needs its {name}", f"{at}/{name}")
    return value


def _call_id(call_id: str | None, at: str) -> str:
    if not call_id:
        raise missing("A call and its output need their call_id", at + "/call_id")
    return call_id


_READERS: dict[str, Callable[[ItemReader, msgspec.Raw, str], None]] = {
    "message": ItemReader._message,
    "reasoning": ItemReader._reasoning,
    "function_call": ItemReader._function_call,
    "function_call_output": ItemReader._function_output,
    "custom_tool_call": ItemReader._custom_call,
    "custom_tool_call_output": ItemReader._custom_output,
    "item_reference": ItemReader._reference,
}

_PART_READERS: dict[str, Callable[[ItemReader, wire.ContentPart, msgspec.Raw, str], Part | None]] = {
    "input_text": ItemReader._text,
    "output_text": ItemReader._text,
    "text": ItemReader._text,
    "input_image": ItemReader._image,
    "input_file": ItemReader._file,
    "refusal": ItemReader._refusal,
}
