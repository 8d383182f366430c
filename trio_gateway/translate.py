"""Translate between the wire formats of LLM providers. Pure: bytes in, bytes and losses out.

    translated = translate_request(body, "openai_chat", "anthropic_messages", model="claude-sonnet-5")
    send(translated.body)
    for loss in translated.losses:
        print(loss.pointer, loss.reason)

    translator = AnswerTranslator("anthropic_messages", "openai_chat", tool_names=translated.tool_names)
    for chunk in upstream:
        client.write(translator.feed(chunk))
    client.write(translator.close())

What cannot be carried is in `losses`, each with the JSON pointer of the field in the source and the reason; nothing
is dropped in silence. Equal inputs give equal outputs, to the byte: there is no clock and no chance in it. Where both
sides speak the same dialect, bytes pass as they are, but for the tokens that other providers left in a history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from trio_gateway.dialects import DIALECTS, AnswerEncoder, Dialect, dialect
from trio_gateway.dialects.capabilities import capabilities_for
from trio_gateway.dialects.conversation import AnswerContext, Loss, Losses
from trio_gateway.dialects.events import AnswerEvent
from trio_gateway.dialects.names import OwnName, fit_names, rename_answer, rename_events
from trio_gateway.dialects.splice import splice_member
from trio_gateway.dialects.wire import BAD_BODY, read_request

__all__ = ["DIALECTS", "AnswerTranslator", "Loss", "OwnName", "Translated", "translate_answer", "translate_request"]

_MAX_HEAD_BYTES = 65_536  # of a stream, to make an id from where the source has none

_MODEL_IN_URL = frozenset({"gemini"})


class Translated(msgspec.Struct, frozen=True):
    """A body for the other side, and what it could not carry.

    `tool_names` has the client's own names of tools, and their namespaces, by the names that stand for them in a
    request, where the target does not allow them as they are: what translates the answer is to be given it.
    """

    body: bytes
    losses: list[Loss]
    tool_names: dict[str, OwnName] = {}


class _Named(msgspec.Struct):
    model: str | None = None


_named = msgspec.json.Decoder(_Named)


def translate_request(body: bytes, source: str, target: str, *, model: str | None = None) -> Translated:
    """Translate a client's request in the dialect `source` for a provider that speaks `target`.

    `model` is the target's name for the model; without it the client's is kept. What the model takes is looked up by
    that name. Gemini's name is not in the body, but in the URL, and so is whether to stream.

    Raises InvalidRequest, with a JSON pointer, for a body that its dialect does not allow, or that holds what the
    target can neither carry nor do without. Raises ValueError for an unknown dialect, or where no model is named.
    """
    speaks, writes = _dialect(source), _dialect(target)
    if source == target:
        return _brought_home(body, source, model)
    conversation = speaks.decode_request(body)
    name = conversation.model if model is None else model
    if not name:
        raise ValueError(f"the request names no model, which {source} has in the URL: say which")
    conversation, names = fit_names(conversation, writes.TOOL_NAMES)
    body, losses = writes.encode_request(conversation, name, capabilities_for(target, name))
    return Translated(body, losses, names or {})


def _brought_home(body: bytes, dialect: str, model: str | None) -> Translated:
    # Imported here, for it knows all dialects: whoever translates imports the two that are used.
    from trio_gateway.dialects.homecoming import without_foreign_tokens

    name = model or ""
    if not name and dialect not in _MODEL_IN_URL:
        name = _named_in(body)
    cut, losses = without_foreign_tokens(body, dialect, name, capabilities_for(dialect, name))
    return Translated(_renamed(cut, dialect, model), losses)


def _named_in(body: bytes) -> str:
    try:
        return _named.decode(body).model or ""
    except BAD_BODY:
        return ""  # as it is: its provider says what is wrong with it


def _renamed(body: bytes, source: str, model: str | None) -> bytes:
    if model is None or source in _MODEL_IN_URL or read_request(_named, body).model == model:
        return body
    return splice_member(body, "model", msgspec.json.encode(model))


def translate_answer(
    body: bytes, source: str, target: str, *, tool_names: Mapping[str, OwnName] | None = None
) -> Translated:
    """Translate a provider's whole answer in the dialect `source` for a client that speaks `target`.

    `tool_names` is what the request's translation gave: the calls have the client's own names again.

    The answer's id, model and time are the source's; where it has none they are a hash of the body, empty, and zero.

    Raises UpstreamError where the body is an error, UpstreamBroke where it is no answer, and ValueError for an
    unknown dialect.
    """
    speaks, writes = _dialect(source), _dialect(target)
    if source == target:
        return Translated(body, [])
    answer = speaks.decode_answer(body)
    if tool_names:
        answer = rename_answer(answer, tool_names)
    return Translated(*writes.encode_answer(answer, AnswerContext(id=_hash(body))))


class AnswerTranslator:
    """Translate a provider's stream in the dialect `source` for a client that speaks `target`.

    `feed` takes the stream's bytes, split anywhere, and returns what the client is to be sent now, often nothing;
    `close` says that no more will come. Neither raises on what a provider sends: a stream that breaks, or ends
    without its terminal marker, ends in the client's own error event, and never looks like a clean finish.

    `tool_names` is what the request's translation gave: the calls have the client's own names again. Usage is told
    whenever the source tells it: to a Chat client as if it had asked for `include_usage`. Raises ValueError for an
    unknown dialect.
    """

    __slots__ = ("_decoder", "_encoder", "_head", "_names", "_writes")

    def __init__(self, source: str, target: str, *, tool_names: Mapping[str, OwnName] | None = None) -> None:
        self._names = tool_names
        speaks, self._writes = _dialect(source), _dialect(target)
        self._decoder = None if source == target else speaks.new_answer_decoder()
        self._encoder: AnswerEncoder | None = None  # made with the first event, when the head is known
        self._head = b""

    @property
    def losses(self) -> Losses:
        """What could not be carried so far."""
        found = [] if self._decoder is None else list(self._decoder.losses)
        return found if self._encoder is None else found + self._encoder.losses

    def feed(self, chunk: bytes) -> bytes:
        if self._decoder is None:
            return chunk
        if self._encoder is None and len(self._head) < _MAX_HEAD_BYTES:
            self._head += chunk[:_MAX_HEAD_BYTES]
        events = self._decoder.feed(chunk)
        return self._write(events) if events else b""

    def close(self) -> bytes:
        if self._decoder is None:
            return b""
        written = self._write(self._decoder.close())
        return written + self._made().close()

    def _write(self, events: list[AnswerEvent]) -> bytes:
        return self._made().feed(rename_events(events, self._names) if self._names else events)

    def _made(self) -> AnswerEncoder:
        if self._encoder is None:
            # No event comes before a whole line, so that the first line is the same however the bytes were split.
            line = self._head[:_MAX_HEAD_BYTES].partition(b"\n")[0]
            self._encoder = self._writes.new_answer_encoder(AnswerContext(id=_hash(line), include_usage=True))
            self._head = b""
        return self._encoder


def _dialect(name: str) -> Dialect:
    if name not in DIALECTS:
        raise ValueError(f"unknown dialect {name!r}: it must be one of {', '.join(DIALECTS)}")
    return dialect(name)


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
