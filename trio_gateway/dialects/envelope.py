"""What is read of a request before it is known where it goes: which model, and whether the answer is streamed.

The whole body is decoded by its dialect's own shapes, so that what is wrong with it is said here, with its JSON
pointer, before anything is sent to anybody. A Gemini body alone waits for its turn: it says neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from gateway_schemas import anthropic_messages, ollama, openai_chat, openai_responses
from trio_gateway.dialects.wire import read_request
from trio_gateway.errors import InvalidRequest


class Envelope(msgspec.Struct, frozen=True):
    """`include_usage`: a Chat client asked for the chunk that tells the usage of a stream.

    `array`: a Gemini client wants its stream as one JSON array. `tools_with_effort`: a Chat client offers tools and
    says how much to think, which some models take in the Responses dialect only.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    array: bool = False
    tools_with_effort: bool = False


class _OfAnyRole(msgspec.Struct):
    role: str


class _ChatOfAnyRole(msgspec.Struct):
    """A Chat request with messages of roles that are not known: compatible servers have more, each its own."""

    model: str
    messages: list[_OfAnyRole]
    tools: list[msgspec.Raw] | None = None
    reasoning_effort: str | None = None
    stream: bool | None = None
    stream_options: openai_chat.StreamOptions | None = None


_chat_of_any_role = msgspec.json.Decoder(_ChatOfAnyRole)
_role = re.compile(r"/messages/\d+/role").fullmatch


def _openai_chat(body: bytes) -> Envelope:
    request: openai_chat.Request | _ChatOfAnyRole
    try:
        request = read_request(openai_chat.request_decoder, body)
    except InvalidRequest as error:
        if not _role(error.pointer or ""):
            raise
        request = read_request(_chat_of_any_role, body)  # who translates it will say what is wrong
    options = request.stream_options
    return Envelope(
        request.model,
        bool(request.stream),
        options is not None and bool(options.include_usage),
        tools_with_effort=bool(request.tools) and request.reasoning_effort not in (None, "none"),
    )


def _openai_responses(body: bytes) -> Envelope:
    request = read_request(openai_responses.request_decoder, body)
    return Envelope(request.model, bool(request.stream))


_messages_decoder = msgspec.json.Decoder(anthropic_messages.MessagesRequest)


def _anthropic_messages(body: bytes) -> Envelope:
    request = read_request(_messages_decoder, body)
    return Envelope(request.model, request.stream is True)


def _ollama(body: bytes) -> Envelope:
    request = read_request(ollama.chat_request_decoder, body)
    return Envelope(request.model, request.stream is not False)


def _ollama_generate(body: bytes) -> Envelope:
    request = read_request(ollama.generate_request_decoder, body)
    return Envelope(request.model, request.stream is not False)


class _Completion(msgspec.Struct):
    model: str
    stream: bool | None = None
    stream_options: openai_chat.StreamOptions | None = None


_completion_decoder = msgspec.json.Decoder(_Completion)


def _openai_completions(body: bytes) -> Envelope:
    request = read_request(_completion_decoder, body)
    options = request.stream_options
    return Envelope(request.model, bool(request.stream), options is not None and bool(options.include_usage))


_READERS: dict[str, Callable[[bytes], Envelope]] = {
    "openai_chat": _openai_chat,
    "openai_responses": _openai_responses,
    "anthropic_messages": _anthropic_messages,
    "ollama": _ollama,
    "ollama_generate": _ollama_generate,
    "openai_completions": _openai_completions,
}


def read_envelope(dialect: str, body: bytes) -> Envelope:
    """Raises InvalidRequest. KeyError for gemini, whose envelope is the URL."""
    return _READERS[dialect](body)
