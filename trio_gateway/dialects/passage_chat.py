"""The openai_chat dialect's streams and bodies on their way through untouched: the commonest passage, and the fastest.

Those of the legacy completions go the same way: usage, errors, finish reasons and the end are told alike.
A chunk is looked at only for what can matter: usage, an error, a finish reason, the end. Everything else leaves
as it came. The looking is by substring search, which costs a tenth of decoding; what is found is then decoded.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from trio_gateway.dialects import openai_chat
from trio_gateway.dialects.conversation import Losses, Usage
from trio_gateway.dialects.framing import MAX_EVENT_BYTES
from trio_gateway.dialects.passage import EVENTS, SSE_ENDS, WholeFrames, redacted_text
from trio_gateway.dialects.splice import splice_member
from trio_gateway.errors import UpstreamBroke, UpstreamError


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None

    def neutral(self) -> Usage:
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            self.prompt_tokens,
            self.completion_tokens,
            prompt.cached_tokens if prompt else None,
            prompt.cache_write_tokens if prompt else None,
            completion.reasoning_tokens if completion else None,
        )


_NULL = msgspec.Raw(b"null")  # Raw equals Raw, never bytes


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _FirstChoice(msgspec.Struct):
    """What is read of a choice until the stream has begun. `text` is that of the older completions."""

    delta: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None
    text: str | None = None

    def is_seen(self) -> bool:
        """Say whether the client would see anything: a role alone is the promise of an answer, and none."""
        delta = self.delta or {}
        return bool(self.finish_reason or self.text) or any(
            name != "role" and bytes(value) not in _EMPTY for name, value in delta.items()
        )


class _FirstChunk(msgspec.Struct):
    choices: list[_FirstChoice] | None = None


_EMPTY = (b"null", b'""', b"[]", b"{}")
_decode_first = msgspec.json.Decoder(_FirstChunk).decode


class _Chunk(msgspec.Struct):
    """What is read of a chunk, or of a whole body."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = _NULL

    def is_error(self) -> bool:
        return self.error != _NULL


_decode = msgspec.json.Decoder(_Chunk).decode


def read_body(body: bytes) -> Usage | None:
    """Return the usage that a plain answer tells. Raises UpstreamError where the answer is an error, or none."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamBroke("The provider's answer is not the JSON of an answer.") from error
    if answer.is_error():
        raise openai_chat.decode_error(200, {}, body)
    return answer.usage.neutral() if answer.usage else None


class _Options(msgspec.Struct):
    stream_options: dict[str, msgspec.Raw] | None = None


_decode_options = msgspec.json.Decoder(_Options).decode


def asking_for_usage(body: bytes) -> bytes:
    """Return a streamed request's body with `stream_options.include_usage` set; everything else as it was."""
    options = _decode_options(body).stream_options or {}
    options["include_usage"] = msgspec.Raw(b"true")
    return splice_member(body, "stream_options", msgspec.json.encode(options))


class ChatStream:
    """A StreamPassage. With `hide_usage` the chunk of usage that only the gateway asked for is removed again."""

    __slots__ = ("_finished", "_frames", "_held", "_hide_usage", "_redact", "begun", "ended", "error", "usage")

    def __init__(self, hide_usage: bool, redact: Callable[[str], str] = str) -> None:
        self._redact = redact
        self._hide_usage = hide_usage
        self._frames = WholeFrames(SSE_ENDS)
        self._finished = False  # a finish reason was seen: a missing [DONE] is no break then
        self._held = b""
        self.begun = False
        self.ended = False
        self.error: UpstreamError | None = None
        self.usage: Usage | None = None

    @property
    def losses(self) -> Losses:
        return []

    def feed(self, chunk: bytes) -> bytes:
        if self.ended:
            return b""
        frames = self._frames.feed(chunk)
        if not frames:
            if self._frames.held_bytes() > MAX_EVENT_BYTES:
                return self.fail(UpstreamBroke("The provider sent an event that is too large."))
            return b""
        if self.begun and _ordinary_end(frames, 0) == len(frames):
            return frames
        return self._look(frames)

    def close(self) -> bytes:
        if self.ended:
            return b""
        rest = self._frames.rest()
        relayed = self._look(rest + b"\n\n") if _is_whole(rest) else b""
        if self._is_over():
            return relayed
        if not self._finished:
            return relayed + self.fail(UpstreamBroke("The provider's stream ended in the middle of the answer."))
        self.ended = True
        return relayed + b"data: [DONE]\n\n"

    def _is_over(self) -> bool:
        return self.ended

    def _look(self, frames: bytes) -> bytes:
        """Decide frame by frame what passes; once begun, ordinary frames pass together, up to the first that is not."""
        passed = bytearray(self._held)
        self._held = b""
        at = 0
        while not self.begun and at < len(frames) and not self.ended:
            event = EVENTS.match(frames, at)
            assert event is not None, "every byte is of an event, or between two"
            passed += self._look_at(event[0])
            at = event.end()
        if self.begun and not self.ended:  # nothing follows the end, whatever the provider sends
            notable = _ordinary_end(frames, at)
            passed += frames[at:notable]
            for frame in EVENTS.findall(frames, notable):
                passed += frame if _ordinary_end(frame, 0) == len(frame) else self._look_at(frame)
                if self._is_over():
                    break
        if not self.begun:
            self._held = bytes(passed)
            return b""
        return bytes(passed)

    def _look_at(self, frame: bytes) -> bytes:
        data = data_of(frame)
        if data is None:
            return frame  # a comment
        if data.startswith(b"[DONE]"):
            self.begun = self.ended = True
            return frame
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.fail(UpstreamBroke("The provider sent an event that is not JSON."))
        if chunk.is_error():
            self.error = openai_chat.decode_error(200, {}, data).redacted(self._redact)
            self.ended = True
            return redacted_text(frame, self._redact) if self.begun else b""
        if chunk.usage is not None:
            self.usage = chunk.usage.neutral()
            if self._hide_usage and not chunk.choices:
                return b""
        if chunk.choices:
            # A prelude without choices (Azure's) is nothing that a client sees, and neither is a role alone: until
            # there is more, whatever goes wrong can be tried elsewhere.
            self.begun = self.begun or _is_seen(data)
            if any(choice.finish_reason for choice in chunk.choices):
                self._finished = True
        return frame

    def fail(self, error: UpstreamError) -> bytes:
        if self.ended:
            return b""
        self.error = error
        self.ended = True
        return openai_chat.encode_stream_error(error) if self.begun else b""


def _is_seen(data: bytes) -> bool:
    try:
        chunk = _decode_first(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True  # whatever it is, it passes
    return any(choice.is_seen() for choice in chunk.choices or ())


# The trick: none of these stands in an ordinary chunk, and searching for them is all that it costs. null is what usage
# and finish_reason hold everywhere but at the end.
_NOTABLE = (
    (b"[DONE]", b""),
    (b'"error"', b""),
    (b'"usage"', b'"usage":null'),
    (b'"finish_reason"', b'"finish_reason":null'),
)


def _ordinary_end(frames: bytes, at: int) -> int:
    """Return where the first frame from `at` on begins that must be looked at; the end, where there is none."""
    end = len(frames)
    for name, ordinary in _NOTABLE:
        found = frames.find(name, at, end)
        while found >= 0 and ordinary and frames.startswith(ordinary, found):
            found = frames.find(name, found + len(ordinary), end)
        if found >= 0:
            end = found
    if end == len(frames):
        return end
    return max([at, *(found + len(mark) for mark in SSE_ENDS if (found := frames.rfind(mark, at, end)) >= 0)])


def _is_whole(rest: bytes) -> bool:
    """Say whether what no blank line followed is an event that was not cut off within."""
    data = data_of(rest)
    if data is None or data.startswith(b"[DONE]"):
        return data is not None
    try:
        _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def data_of(frame: bytes) -> bytes | None:
    """Return an event's data; None for what has none: a comment, or the space between two."""
    lines = [line[5:] for line in frame.splitlines() if line.startswith(b"data:")]
    return b"\n".join(line.strip() for line in lines) if lines else None
