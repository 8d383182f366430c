"""The structs of a request, each with a strict twin that refuses unknown members."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.conversation import Losses
from trio_gateway.dialects.unread import strict_twin, unread_members
from trio_gateway.dialects.wire import BAD_BODY, read_request

S = TypeVar("S", bound=msgspec.Struct)


class Node(Generic[S]):
    """A struct of the wire, and its strict twin."""

    def __init__(self, shape: type[S]) -> None:
        self.shape = shape
        self.strict = strict_twin(shape)
        self._decode_strict = msgspec.json.Decoder(self.strict).decode
        self._lenient = msgspec.json.Decoder(shape)

    def read(self, raw: bytes | Raw, at: str, unread: Losses) -> S:
        return self.read_strictly(raw) or self.read_leniently(raw, at, unread)

    def read_strictly(self, raw: bytes | Raw) -> S | None:
        try:
            return self._decode_strict(raw)
        except BAD_BODY:
            return None

    def read_leniently(self, raw: bytes | Raw, at: str, unread: Losses) -> S:
        value = read_request(self._lenient, bytes(raw), at)
        unread += unread_members(raw, self.shape, at)
        return value


class HostedTool(msgspec.Struct):
    """The members that the vendor's typed tools share."""

    type: str | None = None
    name: str | None = None


ROOT = Node(wire_shapes.MessagesRequest)
MESSAGE = Node(wire_shapes.Message)
CACHE = Node(wire_shapes.CacheControl)
TOOL = Node(wire_shapes.Tool)
TOOL_CHOICE = Node(wire_shapes.ToolChoice)
THINKING = Node(wire_shapes.Thinking)
OUTPUT = Node(wire_shapes.OutputConfig)
FORMAT = Node(wire_shapes.JsonFormat)
METADATA = Node(wire_shapes.Metadata)
CITATIONS = Node(wire_shapes.Citations)
TEXT = Node(wire_shapes.TextBlock)
BLOCKS: dict[str, Node[Any]] = {
    "text": TEXT,
    "image": Node(wire_shapes.ImageBlock),
    "document": Node(wire_shapes.DocumentBlock),
    "thinking": Node(wire_shapes.ThinkingBlock),
    "redacted_thinking": Node(wire_shapes.RedactedThinkingBlock),
    "tool_use": Node(wire_shapes.ToolUseBlock),
    "tool_result": Node(wire_shapes.ToolResultBlock),
}
SOURCES: dict[str, Node[Any]] = {
    "base64": Node(wire_shapes.Base64Source),
    "url": Node(wire_shapes.UrlSource),
    "file": Node(wire_shapes.FileSource),
    "text": Node(wire_shapes.TextSource),
}
CONTENT_SOURCE = Node(wire_shapes.ContentSource)
SEARCH_RESULT = Node(wire_shapes.SearchResultBlock)


def _union(nodes: dict[str, Node[Any]]) -> Any:
    union: Any = None
    for node in nodes.values():
        union = node.strict if union is None else union | node.strict
    return union


decode_block = msgspec.json.Decoder(_union(BLOCKS)).decode
TAG = msgspec.json.Decoder(wire_shapes.Tagged)
HOSTED = msgspec.json.Decoder(HostedTool)
