"""Read Chat's messages: one turn each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from gateway_schemas.openai_chat import (
    AssistantMessage,
    ContentPart,
    FunctionMessage,
    Message,
    SystemMessage,
    ToolMessage,
)
from gateway_schemas.openai_chat import ToolCall as WireCall
from trio_gateway.dialects.conversation import (
    Audio,
    CacheMark,
    File,
    Image,
    Loss,
    Losses,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.media import media_of_file_data, media_of_url, standard_base64
from trio_gateway.dialects.openai_chat.reasoning import ME, read_reasoning, token_of_call
from trio_gateway.dialects.wire import missing

Raws: TypeAlias = list[msgspec.Raw] | None

_CONTENTS = ("text", "image_url", "input_audio", "file", "refusal")


class MessageReader:
    """Reads the messages of one request, in order: results are matched to the calls before them."""

    __slots__ = ("_custom_calls", "_legacy_calls", "_losses", "_raws", "_unnamed_calls", "joined")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self.joined: dict[str, list[str]] = {}  # as in Conversation
        self._raws: Raws = None  # the content parts of the message at hand, as written
        self._custom_calls: set[str] = set()
        self._unnamed_calls: list[str] = []  # ids made up for calls of the last message that had none, unanswered yet
        self._legacy_calls: dict[str, str] = {}  # function name → id of its latest function_call

    def read(self, message: Message, index: int, raws: Raws) -> Turn:
        """Return the turn that a message is. `raws` are its content parts as they were written, where that matters."""
        self._raws = raws
        return _READERS[message.__struct_config__.tag](self, message, f"/messages/{index}")  # type: ignore[index]  # str

    def plain(self, message: SystemMessage, at: str) -> Turn:
        """Read a message that is nothing but content: developer, system, user."""
        role: Any = message.__struct_config__.tag
        return Turn(role, self._content(message.content, at), at, message.name)

    def tool(self, message: ToolMessage, at: str) -> Turn:
        call_id = message.tool_call_id
        if not call_id and self._unnamed_calls:
            call_id = self._unnamed_calls.pop(0)
        parts = self._content(message.content, at)
        custom = call_id in self._custom_calls
        return Turn("tool", [ToolResult(call_id, parts, at, message.name, custom=custom)], at)

    def function(self, message: FunctionMessage, at: str) -> Turn:
        call_id = self._legacy_calls.get(message.name) or f"call_{message.name}"
        parts = self._content(message.content, at)
        return Turn("tool", [ToolResult(call_id, parts, at, message.name)], at)

    def assistant(self, message: AssistantMessage, at: str) -> Turn:
        parts: list[Part] = []
        if message.reasoning_content or message.reasoning or message.reasoning_details or message.thinking_blocks:
            parts += read_reasoning(
                message.reasoning_details,
                message.thinking_blocks,
                message.reasoning_content,
                message.reasoning,
                at,
                self._losses,
                self.joined,
            )
        parts += self._content(message.content, at)
        if message.annotations:
            self._annotate(parts, message.annotations, at)
        if message.refusal:
            parts.append(Refusal(message.refusal, at + "/refusal"))
        if message.audio is not None:
            parts.append(Audio(Media("file_id", message.audio.id), at + "/audio"))
        if message.tool_calls:
            self._unnamed_calls = []
            for index, call in enumerate(message.tool_calls):
                parts.append(self._call(call, f"{at}/tool_calls/{index}", index))
        if message.function_call is not None:
            parts.append(self._legacy_call(message, at))
        return Turn("assistant", parts, at, message.name)

    def _annotate(self, parts: list[Part], annotations: list[msgspec.Raw], at: str) -> None:
        for part in parts:
            if isinstance(part, Text):
                part.citations = annotations
                return
        self._losses.append(Loss(at + "/annotations", "there is no text they could annotate"))

    def _call(self, call: WireCall, at: str, position: int) -> ToolCall:
        call_id = call.id
        if not call_id:
            call_id = f"call_{at.split('/')[2]}_{position}"
            self._unnamed_calls.append(call_id)
        token = token_of_call(call)
        if call.type == "custom" or (call.type is None and call.function is None and call.custom is not None):
            if call.custom is None or call.custom.name is None:
                raise missing("A custom call needs its name", at + "/custom/name")
            if call.function is not None:
                self._losses.append(Loss(at + "/function", "not read in a custom call"))
            self._custom_calls.add(call_id)
            return ToolCall(call_id, call.custom.name, call.custom.input or "", at, custom=True, token=token)
        if call.function is None or call.function.name is None:
            raise missing("A tool call needs its function's name", at + "/function/name")
        if call.custom is not None:
            self._losses.append(Loss(at + "/custom", "not read in a function call"))
        if call.type not in (None, "function"):
            self._losses.append(Loss(at + "/type", f"{call.type!r} is read as a function call"))
        return ToolCall(call_id, call.function.name, call.function.arguments or "{}", at, token=token)

    def _legacy_call(self, message: AssistantMessage, at: str) -> ToolCall:
        call, at_call = message.function_call, at + "/function_call"
        if call is None or call.name is None:
            raise missing("A function_call needs its name", at_call + "/name")
        call_id = f"call_{at.split('/')[2]}_{len(message.tool_calls or ())}"
        self._legacy_calls[call.name] = call_id
        return ToolCall(call_id, call.name, call.arguments or "{}", at_call)

    def _content(self, content: str | list[ContentPart] | None, at: str) -> list[Part]:
        if not content:
            return []
        if isinstance(content, str):
            return [Text(content, at + "/content")]
        parts: list[Part] = []
        for index, part in enumerate(content):
            read = self._part(part, f"{at}/content/{index}", index)
            if read is not None:
                parts.append(read)
        return parts

    def _part(self, part: ContentPart, at: str, index: int) -> Part | None:
        kind = part.type
        if kind not in _CONTENTS:
            raw = self._raws[index] if self._raws else msgspec.Raw(b"null")
            return Opaque(ME, kind, raw, at)
        for name in _CONTENTS:
            if name != kind and getattr(part, name) is not None:
                self._losses.append(Loss(f"{at}/{name}", f"not read in a part of the type {kind}"))
        mark = self._mark(part, at)
        if kind == "text":
            if part.text is None:
                raise missing("A text part needs its text", at + "/text")
            # An empty text says nothing, and some targets refuse it.
            return Text(part.text, at, mark) if part.text or mark else None
        if kind == "refusal":
            if part.refusal is None:
                raise missing("A refusal part needs its refusal", at + "/refusal")
            if mark is not None:
                self._losses.append(Loss(mark.at, "a refusal carries no cache mark"))
            return Refusal(part.refusal, at) if part.refusal else None
        return self._media_part(part, at, mark)

    def _media_part(self, part: ContentPart, at: str, mark: CacheMark | None) -> Part:
        if part.type == "image_url":
            image = part.image_url
            if image is None:
                raise missing("An image part needs its image_url", at + "/image_url")
            if isinstance(image, str):
                return Image(media_of_url(image, at + "/image_url", self._losses), at, None, mark)
            return Image(media_of_url(image.url, at + "/image_url/url", self._losses), at, image.detail, mark)
        if part.type == "input_audio":
            audio = part.input_audio
            if audio is None:
                raise missing("An audio part needs its input_audio", at + "/input_audio")
            media_type = {"wav": "audio/wav", "mp3": "audio/mpeg"}.get(audio.format or "")
            return Audio(Media("base64", standard_base64(audio.data), media_type), at, audio.format, mark)
        return self._file_part(part, at, mark)

    def _file_part(self, part: ContentPart, at: str, mark: CacheMark | None) -> Part:
        file = part.file
        if file is None or (file.file_data is None and file.file_id is None):
            raise missing("A file part needs its file_data or file_id", at + "/file")
        if file.file_data is None:
            return File(Media("file_id", file.file_id or ""), at, file.filename, cache=mark)
        if file.file_id is not None:
            self._losses.append(Loss(at + "/file/file_id", "file_data is given too, and counts"))
        media = media_of_file_data(file.file_data, at + "/file/file_data", self._losses)
        return File(media, at, file.filename, cache=mark)

    def _mark(self, part: ContentPart, at: str) -> CacheMark | None:
        if part.prompt_cache_breakpoint is not None:
            if part.cache_control is not None:
                self._losses.append(Loss(at + "/cache_control", "prompt_cache_breakpoint is given too, and counts"))
            return CacheMark(part.prompt_cache_breakpoint.ttl, at + "/prompt_cache_breakpoint")
        return CacheMark(part.cache_control.ttl, at + "/cache_control") if part.cache_control is not None else None


_READERS: dict[str, Callable[[MessageReader, Any, str], Turn]] = {
    "developer": MessageReader.plain,
    "system": MessageReader.plain,
    "user": MessageReader.plain,
    "assistant": MessageReader.assistant,
    "tool": MessageReader.tool,
    "function": MessageReader.function,
}
