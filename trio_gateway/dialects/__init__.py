"""The wire protocols. Pure: bytes and structs in, bytes and structs out; no trio, clock, logger, environment.

A dialect is a module with the names of the `Dialect` protocol, and a row in `_MODULES`. Modules are imported when
first asked for, so that importing this package stays cheap.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Protocol, cast

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Answer, AnswerContext, Conversation, Losses
from trio_gateway.dialects.events import AnswerEvent
from trio_gateway.dialects.names import NameRules
from trio_gateway.errors import GatewayError, UpstreamError

_MODULES = {
    "openai_chat": "trio_gateway.dialects.openai_chat",
    "openai_responses": "trio_gateway.dialects.openai_responses",
    "anthropic_messages": "trio_gateway.dialects.anthropic_messages",
    "gemini": "trio_gateway.dialects.gemini",
    "ollama": "trio_gateway.dialects.ollama",
}

DIALECTS = tuple(_MODULES)

# Older endpoints of the dialects above, with requests and answers of their own. Nothing is translated into them: a
# provider of the same dialect may have the endpoint itself, anybody else is asked a conversation of one turn.
_OLDER_MODULES = {
    "openai_completions": "trio_gateway.dialects.openai_completions",
    "ollama_generate": "trio_gateway.dialects.ollama_generate",
}

OLDER = frozenset(_OLDER_MODULES)


class AnswerDecoder(Protocol):
    """Turn an upstream's bytes, split anywhere, into events.

    `feed` and `close` never raise on what a provider sends: a stream that cannot be read, or ends without its
    terminal marker, gives one Fail as its last event. After Fail or End both give nothing.
    `losses` holds what the answer said and the neutral model has no word for, so far. `ended_at` is the place of the
    frame that ended the answer, among those with data that the last call completed; None where no frame did.
    """

    losses: Losses
    ended_at: int | None

    def feed(self, chunk: bytes) -> list[AnswerEvent]: ...
    def close(self) -> list[AnswerEvent]: ...


class AnswerEncoder(Protocol):
    """Turn events into the bytes of a client's stream.

    Fail becomes the dialect's own error event and ends the stream; it never looks like a clean finish. `close`
    says that no event will follow: without a preceding End or Fail it writes an error event.
    """

    losses: Losses

    def feed(self, events: list[AnswerEvent]) -> bytes: ...
    def close(self) -> bytes: ...


class ClientSide(Protocol):
    """What it takes to serve a client: requests in, answers and errors out. InvalidRequest is the only error raised."""

    MEDIA_TYPE_STREAM: str
    KEEP_ALIVE: bytes
    """What a client may be sent while the first event of its stream is waited for, any number of times; empty where
    its API has nothing of the kind."""

    def decode_request(self, body: bytes, /) -> Conversation:
        """Raise InvalidRequest, with a JSON pointer, for a body that the dialect does not allow.

        A dialect whose URL says the model, and whether to stream, takes those as keywords: gemini.decode_request.
        """

    def encode_answer(self, answer: Answer, context: AnswerContext, /) -> tuple[bytes, Losses]: ...
    def new_answer_encoder(self, context: AnswerContext, /) -> AnswerEncoder: ...
    def encode_error(self, error: GatewayError, /) -> tuple[int, bytes]: ...
    def encode_stream_error(self, error: GatewayError, /) -> bytes:
        """Return the in-band error event, framed: what ends a stream that broke."""


class TargetSide(Protocol):
    """What it takes to read a target's answer, also one that passes as it is."""

    def decode_answer(self, body: bytes, /) -> Answer:
        """Raise UpstreamBroke for a body that is no answer, UpstreamError for an error object inside a 200."""

    def new_answer_decoder(self) -> AnswerDecoder: ...
    def encode_stream_error(self, error: GatewayError, /) -> bytes: ...


class Dialect(ClientSide, TargetSide, Protocol):
    """What every dialect module exposes. InvalidRequest and UpstreamError are the only errors raised."""

    @property
    def TOOL_NAMES(self) -> NameRules | None:  # a module's constant
        """What is taken as the name of a tool; None where any is."""

    def encode_request(
        self, conversation: Conversation, model: str, capabilities: Capabilities, /
    ) -> tuple[bytes, Losses]:
        """Raise InvalidRequest for what the target can neither carry nor do without.

        The names of tools are to be fit for the dialect: names.fit_names.
        """

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes, /) -> UpstreamError:
        """Read a provider's error. Header names are lower-case. Never raises; a body that is no JSON is quoted."""


@cache
def dialect(name: str) -> Dialect:
    """Return the dialect called `name`; KeyError for an unknown one."""
    return cast(Dialect, importlib.import_module(_MODULES[name]))


@cache
def client_side(name: str) -> ClientSide:
    """Return what clients that speak `name` are served with; KeyError for an unknown one."""
    return cast(ClientSide, importlib.import_module((_MODULES | _OLDER_MODULES)[name]))


@cache
def target_side(name: str) -> TargetSide:
    """Return what answers of those who speak `name` are read with; KeyError for an unknown one."""
    return cast(TargetSide, importlib.import_module((_MODULES | _OLDER_MODULES)[name]))
