"""What is open of a stream that is written: a message, and the parts of it or of other items."""

from __future__ import annotations

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import Token
from trio_gateway.dialects.events import Open


class OpenMessage:
    """A message item: its parts by content_index, null while they are open."""

    __slots__ = ("id", "index", "open", "parts")

    def __init__(self, id_: str, index: int) -> None:
        self.id = id_
        self.index = index
        self.parts: list[msgspec.Raw] = []
        self.open = 0


class OpenPart:
    """An open part: where its events say they belong (`place`), and all before and after the text of its deltas."""

    __slots__ = ("annotations", "call_id", "cited", "head", "index", "item_id", "kind", "logprobs", "message", "name",
                 "namespace", "place", "position", "texts", "token")  # fmt: skip

    def __init__(self, event: Open, index: int, item_id: str) -> None:
        self.kind = event.kind
        self.call_id = event.id
        self.name = event.name
        self.namespace = event.namespace
        self.index = index
        self.item_id = item_id
        self.position = 0
        self.message: OpenMessage | None = None
        self.texts: list[str] = []
        self.annotations: list[msgspec.Raw] = []
        self.cited: list[msgspec.Raw] = []  # what becomes an annotation, or a loss, once the text is whole
        self.logprobs: list[msgspec.Raw] = []
        self.token: Token | None = None
        self.place = b'"item_id":%b,"output_index":%d' % (wire.encode(item_id), index)
        self.head = b""

    def delta_of(self, event: bytes, more: bytes = b"") -> None:
        """Prepare the deltas: everything but the text and the sequence number is the same in each."""
        self.head = b'event: %b\ndata: {"type":"%b",%b%b,"delta":' % (event, event, self.place, more)

    def summary(self, text: str) -> bytes:
        """Return the members of an event that holds the summary of thoughts, whole."""
        return self.place + b',"summary_index":0,"part":' + wire.encode(wire.SummaryText(text))
