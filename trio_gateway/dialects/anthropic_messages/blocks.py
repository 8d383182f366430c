"""Parts of a Conversation, written as content blocks of a request."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import Any, cast

import msgspec
from msgspec import Raw

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.anthropic_messages.caching import CacheMarks
from trio_gateway.dialects.anthropic_messages.citations import own_citations
from trio_gateway.dialects.anthropic_messages.names import carry_id
from trio_gateway.dialects.arguments import object_of, wrap
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    Audio,
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
)
from trio_gateway.dialects.media import image_type_of_base64, media_type_of_base64, not_inlined
from trio_gateway.dialects.members import citations_at, member, token_at
from trio_gateway.dialects.names import carry_name
from trio_gateway.dialects.unanswered import ERROR_STANDS_IN, NO_RESULT
from trio_gateway.errors import InvalidRequest

NAME = "anthropic_messages"

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
BLANK = "the provider takes no text of white space only"


class BlockWriter:
    """Writes parts one by one. Raises InvalidRequest for media that the target does not take in this form."""

    __slots__ = ("_call_names", "_capabilities", "_losses", "_marks", "_own", "_source", "calls", "region")

    def __init__(self, source: str, capabilities: Capabilities, marks: CacheMarks, losses: Losses) -> None:
        self._source = source
        self._own = source == NAME
        self._capabilities = capabilities
        self._marks = marks
        self._losses = losses
        self._call_names: dict[str, str] = {}
        self.calls: list[ToolCall] = []  # that were written, and nobody has taken yet
        self.region = "messages"

    def write(self, part: Part) -> object | None:
        """Return the block, None where nothing of the part can be carried, or nothing is in it."""
        return _WRITE[type(part)](self, part)

    def lose(self, at: str, reason: str) -> None:
        self._losses.append(Loss(at, reason))

    def _text(self, part: Text) -> object | None:
        self._lose_token(part)
        if not part.text:
            self._marks.lose(part.cache, part.at, "the provider takes no empty text, and so no mark on it")
            return None
        if part.text.isspace():
            self.lose(part.at, BLANK)
            at = citations_at(self._source, part.at)
            if part.citations and not at.startswith(part.at + "/"):  # Chat's, which are the message's
                self.lose(at, BLANK)
            return None
        block = wire_shapes.TextBlock(part.text)
        if part.citations:
            if citations := own_citations(part.citations):
                block.citations = citations
            if len(citations) < len(part.citations):
                self.lose(citations_at(self._source, part.at), "its citations are of another provider's kind")
        self._marks.add(self.region, block, part.cache, part.at)
        return block

    def _image(self, part: Image) -> object | None:
        if not self._capabilities.images:
            self.lose(part.at, "this model takes no images")
            return None
        if part.detail not in (None, "auto"):
            self.lose(member(self._source, part.at, "detail"), "the provider has no levels of detail")
        block = wire_shapes.ImageBlock(self._image_source(part.media, part.at))
        self._marks.add(self.region, block, part.cache, part.at)
        return block

    def _image_source(self, media: Media, at: str) -> Raw:
        if media.kind != "base64":
            return self._remote_source(media, at)
        given = (media.media_type or "").partition(";")[0].strip().lower()
        media_type = "image/jpeg" if given == "image/jpg" else given
        if media_type not in _IMAGE_TYPES:
            found = image_type_of_base64(media.value)
            if found not in _IMAGE_TYPES or given.startswith("image/"):
                raise _refuse(f"This model takes images as JPEG, PNG, GIF or WebP, not {given or 'untyped'}.", at)
            media_type = found
        if media_type != media.media_type:
            self.lose(at, f"its media type is sent as {media_type}")
        return _raw(wire_shapes.Base64Source(media.value, media_type))

    def _remote_source(self, media: Media, at: str) -> Raw:
        if media.kind == "url":
            if not media.value.startswith(("https://", "http://")) or not self._capabilities.image_urls:
                raise not_inlined("The provider cannot fetch this URL", at)
            return _raw(wire_shapes.UrlSource(media.value))
        if media.kind == "file_id" and self._own:
            return _raw(wire_shapes.FileSource(media.value))
        raise not_inlined("The file is not at this model's provider", at)

    def _file(self, part: File) -> object | None:
        if not self._capabilities.files:
            self.lose(part.at, "this model takes no documents")
            return None
        block = wire_shapes.DocumentBlock(self._document_source(part.media, part.at))
        if part.filename is not None:
            block.title = part.filename
        if part.context is not None:
            block.context = part.context
        if part.citations_enabled is not None:
            block.citations = _raw(wire_shapes.Citations(part.citations_enabled))
        self._marks.add(self.region, block, part.cache, part.at)
        return block

    def _document_source(self, media: Media, at: str) -> Raw:
        if media.kind == "text":
            if media.media_type not in (None, "text/plain"):
                self.lose(at, "its media type is sent as text/plain")
            return _raw(wire_shapes.TextSource(media.value))
        if media.kind != "base64":
            return self._remote_source(media, at)
        media_type = (media.media_type or "").partition(";")[0].strip().lower()
        if (media_type or media_type_of_base64(media.value)) == "application/pdf":
            return _raw(wire_shapes.Base64Source(media.value, "application/pdf"))
        if media_type.startswith("text/") or media_type in ("application/json", "application/xml"):
            self.lose(at, "it is sent as plain text")
            return _raw(wire_shapes.TextSource(_text_of(media.value, at)))
        raise _refuse(f"This model takes documents as PDF or text, not {media_type or 'untyped'}.", at)

    def _audio(self, part: Audio) -> None:
        self.lose(part.at, "the provider takes no audio")

    def _reasoning(self, part: Reasoning) -> object | None:
        token = part.token
        if token is None:
            if part.text or part.id is not None:
                self.lose(part.at, "thoughts without the provider's signature cannot go back to it")
            return None
        if token.issuer != NAME:
            self.lose(part.at, f"only {token.issuer} can read these thoughts")
            return None
        if part.id is not None:
            self.lose(member(self._source, part.at, "item_id"), "the provider's thoughts have no ids")
        if part.redacted:
            return wire_shapes.RedactedThinkingBlock(token.value)
        return wire_shapes.ThinkingBlock(part.text, token.value)

    def _tool_call(self, part: ToolCall) -> object:
        self._lose_token(part)
        if part.item_id is not None:
            self.lose(member(self._source, part.at, "item_id"), "the provider's calls have one id only")
        self._call_names[part.id] = part.name
        self.calls.append(part)
        input_ = wrap(part.arguments) if part.custom else self._input(part)
        block = wire_shapes.ToolUseBlock(carry_id(part.id), carry_name(part.name, part.at, part.custom), input_)
        self._marks.add(self.region, block, part.cache, part.at)
        return block

    def _input(self, part: ToolCall) -> Raw:
        input_, reason = input_of(part.arguments)
        if reason is not None:
            self.lose(part.at, reason)
        return input_

    def _tool_result(self, part: ToolResult) -> object:
        if part.name is not None and self._call_names.get(part.call_id) != part.name:
            self.lose(member(self._source, part.at, "tool_name"), "its tool's name is not that of the call")
        block = wire_shapes.ToolResultBlock(carry_id(part.call_id))
        if part.is_error is not None:
            block.is_error = part.is_error
        parts = part.parts
        if len(parts) == 1 and type(text := parts[0]) is Text and text.text and not (text.cache or text.citations):
            self._lose_token(text)
            block.content = text.text
        elif content := [written for inner in parts if (written := self._in_result(inner)) is not None]:
            block.content = cast(Any, content)
        self._marks.add(self.region, block, part.cache, part.at)
        return block

    def stand_in(self, call: ToolCall) -> object:
        """Return a result that says there is none."""
        self.lose(call.at, ERROR_STANDS_IN)
        return wire_shapes.ToolResultBlock(carry_id(call.id), NO_RESULT, is_error=True)

    def _in_result(self, part: Part) -> object | None:
        if isinstance(part, ToolCall | ToolResult | Reasoning):
            self.lose(part.at, "a tool's result takes text, images and documents")
            return None
        return self.write(part)

    def _refusal(self, part: Refusal) -> object | None:
        if not part.text:
            return None
        if part.text.isspace():
            self.lose(part.at, BLANK)
            return None
        self.lose(part.at, "the refusal is sent as text")
        return wire_shapes.TextBlock(part.text)

    def _opaque(self, part: Opaque) -> object | None:
        if part.dialect == NAME:
            return part.raw
        self.lose(part.at, f"{part.tag} has no counterpart at the provider")
        return None

    def _lose_token(self, part: Text | ToolCall) -> None:
        if part.token is not None:
            self.lose(token_at(self._source, part), f"its signature is for {part.token.issuer} alone")


WRAPPED = "its arguments are no JSON object: they are sent as the text of `input`"


def input_of(arguments: str) -> tuple[Raw, str | None]:
    """Return a call's arguments as the object that Anthropic takes, and a reason where they were none."""
    found = object_of(arguments)
    if found is not None:
        return found, None
    return wrap(arguments), WRAPPED


def _text_of(base64: str, at: str) -> str:
    try:
        return b64decode(base64, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _refuse("The document is not UTF-8 text in base64.", at) from error


_raw_encode = msgspec.json.Encoder().encode


def _raw(source: msgspec.Struct) -> Raw:
    return Raw(_raw_encode(source))


def _refuse(message: str, at: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_value", pointer=at)


_WRITE: dict[type, Callable[[BlockWriter, Any], object | None]] = {
    Text: BlockWriter._text,
    Image: BlockWriter._image,
    Audio: BlockWriter._audio,
    File: BlockWriter._file,
    Reasoning: BlockWriter._reasoning,
    ToolCall: BlockWriter._tool_call,
    ToolResult: BlockWriter._tool_result,
    Refusal: BlockWriter._refusal,
    Opaque: BlockWriter._opaque,
}
