"""Requests and answers on their way from one dialect to another and back."""

from __future__ import annotations

from typing import Any, NamedTuple

from trio_gateway.dialects import Dialect, dialect
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Answer, AnswerContext, Conversation, Losses
from trio_gateway.dialects.events import AnswerEvent, fold
from trio_gateway.dialects.names import OwnName, fit_names, rename_conversation

MODEL = "a-model"
ANY = Capabilities()
CONTEXT = AnswerContext(id="1", created=1_700_000_000, model=MODEL, include_usage=True)


class Trip(NamedTuple):
    """A request, read from one dialect and written in another."""

    conversation: Conversation
    body: bytes
    losses: Losses
    target: str
    names: dict[str, OwnName]

    def arrived(self) -> Conversation:
        """Return what the target is told, with the client's own names of tools, as they come back in an answer."""
        read = read_request(self.target, self.body, stream=self.conversation.stream)
        return rename_conversation(read, self.names)

    def back(self, source: str) -> Trip:
        """Take it back to where it came from, with the client's own names of tools. Raises InvalidRequest."""
        return _written(self.arrived(), source, ANY)


def read_request(name: str, body: bytes, *, stream: bool = False) -> Conversation:
    """Read a request. Gemini has the model and whether to stream in its URL: `stream` says the latter."""
    module: Any = dialect(name)
    if name == "gemini":
        conversation: Conversation = module.decode_request(body, model=MODEL, stream=stream)
        return conversation
    return dialect(name).decode_request(body)


def carry(body: bytes, source: str, target: str, capabilities: Capabilities = ANY, *, stream: bool = False) -> Trip:
    """Translate a request. Raises InvalidRequest."""
    return _written(read_request(source, body, stream=stream), target, capabilities)


def _written(conversation: Conversation, target: str, capabilities: Capabilities) -> Trip:
    fitted, names = fit_names(conversation, dialect(target).TOOL_NAMES)
    body, losses = dialect(target).encode_request(fitted, conversation.model, capabilities)
    return Trip(conversation, body, losses, target, names or {})


def decode_stream(name: str, chunks: list[bytes]) -> list[AnswerEvent]:
    decoder = dialect(name).new_answer_decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.close()


def encode_stream(name: str, events: list[AnswerEvent]) -> bytes:
    encoder = dialect(name).new_answer_encoder(CONTEXT)
    return encoder.feed(events) + encoder.close()


def carry_stream(source: str, target: str, chunks: list[bytes]) -> bytes:
    """Translate a stream chunk by chunk, as a gateway does."""
    decoder, encoder = dialect(source).new_answer_decoder(), dialect(target).new_answer_encoder(CONTEXT)
    written = [encoder.feed(decoder.feed(chunk)) for chunk in chunks]
    return b"".join([*written, encoder.feed(decoder.close()), encoder.close()])


def carry_answer(source: str, target: str, body: bytes) -> tuple[bytes, Losses]:
    return dialect(target).encode_answer(dialect(source).decode_answer(body), CONTEXT)


def fold_stream(name: str, stream: bytes) -> Answer:
    """Return the answer a whole stream amounts to. Raises UpstreamError for one that failed or broke off."""
    return fold(decode_stream(name, [stream]), name)


def module(name: str) -> Dialect:
    return dialect(name)
