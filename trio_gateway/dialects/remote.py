"""Media that a client names by an http(s) URL and a target wants as bytes: which they are, and putting bytes there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Audio, Conversation, File, Image, Media, Part, ToolResult, Turn

# What Google fetches by itself, whatever else it takes.
_GOOGLES = re.compile(r"https://(?:generativelanguage\.googleapis\.com/|(?:www\.)?youtu(?:\.be|be\.com)/)").match


class Remote(msgspec.Struct, frozen=True):
    """One URL to fetch. `at` is the JSON pointer of the part that names it first; `declared` its media type there."""

    url: str
    at: str
    kind: str  # image, audio or file
    declared: str | None = None


def remote_media(conversation: Conversation, target: str, can: Capabilities) -> list[Remote]:
    """Return what a target of the dialect `target` has to be given as bytes, each URL once."""
    found: dict[str, Remote] = {}
    for turn in conversation.turns:
        for part in _media_of(turn.parts):
            url = part.media.value
            if part.media.kind == "url" and url.startswith(("http://", "https://")) and _wants(part, url, target, can):
                kind = type(part).__name__.lower()
                found.setdefault(url, Remote(url, part.at, kind, part.media.media_type))
    return list(found.values())


def with_media(
    conversation: Conversation, fetched: Mapping[str, Media], target: str, can: Capabilities
) -> Conversation:
    """Return the conversation with bytes in the place of what was fetched; the one given is not changed."""
    wanted = {remote.url for remote in remote_media(conversation, target, can)} & fetched.keys()
    if not wanted:
        return conversation
    turns = [_turn(turn, {url: fetched[url] for url in wanted}) for turn in conversation.turns]
    return msgspec.structs.replace(conversation, turns=turns)


def _turn(turn: Turn, fetched: Mapping[str, Media]) -> Turn:
    return msgspec.structs.replace(turn, parts=[_part(part, fetched) for part in turn.parts])


def _part(part: Part, fetched: Mapping[str, Media]) -> Part:
    if isinstance(part, ToolResult):
        return msgspec.structs.replace(part, parts=[_part(inner, fetched) for inner in part.parts])
    if isinstance(part, Image | Audio | File) and part.media.kind == "url" and part.media.value in fetched:
        return msgspec.structs.replace(part, media=fetched[part.media.value])
    return part


def _media_of(parts: list[Part]) -> Iterator[Image | Audio | File]:
    for part in parts:
        if isinstance(part, Image | Audio | File):
            yield part
        elif isinstance(part, ToolResult):
            yield from _media_of(part.parts)


def _wants(part: Image | Audio | File, url: str, target: str, can: Capabilities) -> bool:
    if target == "gemini" and _GOOGLES(url):
        return False
    match part:
        case Image():
            return can.images and not can.image_urls
        case Audio():
            return can.audio and target in ("openai_chat", "gemini")
        case File():
            return can.files and (target == "openai_chat" or (target in _DOCUMENTS and not can.image_urls))


_DOCUMENTS = frozenset({"anthropic_messages", "gemini"})  # which take documents by URL where they take images so
