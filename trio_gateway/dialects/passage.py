"""How one answer crosses the gateway: untouched where both sides speak the same dialect, translated elsewhere.

A stream crosses as bytes in, bytes out. Both kinds answer the same questions on the way: has an event that the
client would see been produced, what failed, what was used, has the source said that it is whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from trio_gateway.dialects import AnswerEncoder, ClientSide, TargetSide
from trio_gateway.dialects.conversation import AnswerContext, Losses, Usage
from trio_gateway.dialects.events import AnswerEvent, End, Fail, Open, Ping, Start, UsageUpdate
from trio_gateway.dialects.names import OwnName, rename_events
from trio_gateway.errors import UpstreamBroke, UpstreamError


class StreamPassage(Protocol):
    """`feed` and `close` return what the client is to be sent now, and never raise.

    Nothing is returned before `begun`. A failure before it is in `error` alone, and the client has seen nothing;
    a failure after it is in `error` and has been written in-band, as the last thing the client sees.
    """

    @property
    def begun(self) -> bool: ...
    @property
    def ended(self) -> bool:
        """The source's terminal marker was seen, or the passage failed: nothing will follow."""

    @property
    def error(self) -> UpstreamError | None: ...
    @property
    def usage(self) -> Usage | None: ...
    @property
    def losses(self) -> Losses:
        """What the answer said so far, and the client was not told."""

    def feed(self, chunk: bytes) -> bytes: ...
    def close(self) -> bytes: ...
    def fail(self, error: UpstreamError) -> bytes:
        """The transport broke: return the in-band error, where the stream had begun and not ended."""


def _as_it_is(text: str) -> str:
    return text


class TranslatedStream:
    """A stream whose two sides speak different dialects.

    `names` has the client's own names of tools by those that the target was told, where there are others.
    """

    __slots__ = ("_decoder", "_encoder", "_held", "_names", "_redact", "begun", "ended", "error", "usage")

    def __init__(
        self,
        source: TargetSide,
        target: ClientSide,
        context: AnswerContext,
        redact: Callable[[str], str] = _as_it_is,
        names: Mapping[str, OwnName] | None = None,
    ) -> None:
        self._redact = redact
        self._names = names
        self._decoder = source.new_answer_decoder()
        self._encoder: AnswerEncoder = target.new_answer_encoder(context)
        self._held: list[AnswerEvent] = []  # Start and the like, until an event follows that the client would see
        self.begun = False
        self.ended = False
        self.error: UpstreamError | None = None
        self.usage: Usage | None = None

    @property
    def losses(self) -> Losses:
        return self._decoder.losses + self._encoder.losses

    def feed(self, chunk: bytes) -> bytes:
        return self._pass(self._decoder.feed(chunk))

    def close(self) -> bytes:
        return self._pass(self._decoder.close())

    def fail(self, error: UpstreamError) -> bytes:
        return self._pass([Fail(error)])

    def _pass(self, events: list[AnswerEvent]) -> bytes:
        if not events or self.ended:
            return b""
        if self._names is not None:
            events = rename_events(events, self._names)
        for event in events:
            kind = type(event)
            if kind is UsageUpdate:
                update = event.usage  # type: ignore[union-attr]  # `kind is` narrows nothing, and isinstance costs
                self.usage = self.usage.updated(update) if self.usage else update
            elif kind is Fail:
                self.error = event.error.redacted(self._redact)  # type: ignore[union-attr]  # as above
                self.ended = True
            elif kind is End:
                self.ended = True
        if not self.begun:
            if not self._begins(events):
                return b""
            events, self._held = self._held, []
        return self._encoder.feed(events)

    def _begins(self, events: list[AnswerEvent]) -> bool:
        """Hold the events; say whether the client is to see them now."""
        self._held += events
        if all(_is_unseen(event) or type(event) is Fail for event in self._held):
            return False
        self.begun = True
        return True


_UNSEEN = frozenset({Start, Ping, UsageUpdate})


def _is_unseen(event: AnswerEvent) -> bool:
    """A text that has begun is nothing yet, and its first words follow at once; a call's name is something."""
    return type(event) in _UNSEEN or (isinstance(event, Open) and event.kind in ("text", "reasoning"))


SSE_ENDS = (b"\n\n", b"\n\r\n", b"\r\r\n")  # those that nothing can follow that belongs to them
LINE_ENDS = (b"\n",)


class ObservedStream:
    """A stream that passes byte for byte while its own dialect's decoder looks on.

    Only whole frames leave, so that an error event after a break is an event of its own, and none after the one that
    ends the stream. `frame_ends` are the byte strings that end one. Of an error event, what `redact` changes in its
    text is changed.
    """

    __slots__ = ("_decoder", "_dialect", "_frames", "_held", "_redact", "begun", "ended", "error", "usage")

    def __init__(
        self, dialect: TargetSide, frame_ends: tuple[bytes, ...], redact: Callable[[str], str] = _as_it_is
    ) -> None:
        self._dialect = dialect
        self._redact = redact
        self._frames = WholeFrames(frame_ends)
        self._decoder = dialect.new_answer_decoder()
        self._held: list[bytes] = []
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
        return self._pass(self._frames.feed(chunk), self._decoder.feed(chunk))

    def close(self) -> bytes:
        if self.ended:
            return b""
        return self._pass(self._frames.rest(), self._decoder.close())

    def fail(self, error: UpstreamError) -> bytes:
        if self.ended:
            return b""
        self.error = error
        self.ended = True
        return self.in_band(error) if self.begun else b""

    def in_band(self, error: UpstreamError) -> bytes:
        """Return the event that tells of an error which is not the provider's own."""
        return self._dialect.encode_stream_error(error)

    def _pass(self, frames: bytes, events: list[AnswerEvent]) -> bytes:
        seen = self._note(events)
        if self.ended:
            frames = self._up_to_the_end(frames)
        return frames if self.begun else self._begin(frames, seen)

    def _begin(self, frames: bytes, seen: bool) -> bytes:
        """Hold the frames; return all that are held once the client would see any of them."""
        self._held.append(frames)
        if not seen:
            return b""
        self.begun = True
        told, self._held = b"".join(self._held), []
        return told

    def _up_to_the_end(self, frames: bytes) -> bytes:
        """Return the frames up to the one that ended the stream, however many came with it."""
        error, place = self.error, self._decoder.ended_at
        if place is None:
            # The source's bytes have ended. What no frame's end followed is no event where they ended too soon.
            return self.in_band(error) if isinstance(error, UpstreamBroke) else frames
        if error is None and self._frames.end_with(frames, place):
            return frames
        before, last = self._frames.cut_at(frames, place)
        if error is None:
            return before + last
        if isinstance(error, UpstreamBroke):
            # The provider did not say so itself. What it sent last is no event: the client gets ours instead.
            return before + self.in_band(error)
        return before + redacted_text(last, self._redact)

    def _note(self, events: list[AnswerEvent]) -> bool:
        """Read off the events what this passage tells; return whether the client would see any of them."""
        seen = False
        for event in events:
            if isinstance(event, UsageUpdate):
                self.usage = self.usage.updated(event.usage) if self.usage else event.usage
            elif isinstance(event, Fail):
                self.error = event.error.redacted(self._redact)
                self.ended = True
            elif isinstance(event, End):
                self.ended = seen = True
            elif type(event) not in _UNSEEN:
                seen = True
        return seen


def redacted_text(told: bytes, redact: Callable[[str], str]) -> bytes:
    """Return what `redact` makes of a text; where it changes nothing, the very bytes, also those that are no text."""
    return redact(told.decode(errors="surrogateescape")).encode(errors="surrogateescape")


# Events, each with its blank line, and further line ends between them.
EVENTS = re.compile(rb"[\r\n]++|(?:[^\r\n]++(?>\r\n|\n|\r|\Z))++(?>\r\n|\n|\r|\Z)")
_LINES = re.compile(rb"[^\n]*+\n|[^\n]++").findall
_HAS_DATA = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n])data:").search


class WholeFrames:
    """Holds back the beginning of a frame until its end has come. `ends` are SSE_ENDS or LINE_ENDS."""

    __slots__ = ("_ends", "_tail")

    def __init__(self, ends: tuple[bytes, ...]) -> None:
        self._ends = ends
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the whole frames there are by now."""
        buffer = self._tail + chunk if self._tail else chunk
        if buffer.endswith(self._ends):
            self._tail = b""
            return buffer
        cut = buffer.rfind(b"\n") + 1 if self._ends is LINE_ENDS else _end_of_events(buffer)
        self._tail = buffer[cut:]
        return buffer[:cut]

    def end_with(self, frames: bytes, place: int) -> bool:
        """Say whether the frame at `place` is the last, where that is soon seen."""
        if self._ends is LINE_ENDS:
            return frames.count(b"\n") == place + 1
        return frames.count(b"\n\n") == place + 1 and b"\r" not in frames and not frames.endswith(b"\n\n\n")

    def cut_at(self, frames: bytes, place: int) -> tuple[bytes, bytes]:
        """Return what comes before the frame at `place`, among those with data, and that frame."""
        is_lines = self._ends is LINE_ENDS
        at = 0
        for frame in _LINES(frames) if is_lines else EVENTS.findall(frames):
            if not frame.isspace() if is_lines else _HAS_DATA(frame):
                if not place:
                    return frames[:at], frame
                place -= 1
            at += len(frame)
        return frames, b""  # This isn't expected to happen: the decoder cuts at the same places.

    def held_bytes(self) -> int:
        return len(self._tail)

    def rest(self) -> bytes:
        """Return what no frame's end followed."""
        tail, self._tail = self._tail, b""
        return tail


def _end_of_events(buffer: bytes) -> int:
    """Return where the last blank line ends. A \\r at the very end may be half of \\r\\n: it waits for what follows."""
    end = len(buffer) - buffer.endswith(b"\r")
    cut = buffer.rfind(b"\n\n", 0, end) + 2
    for mark in (b"\n\r", b"\r\r"):
        at = buffer.rfind(mark, 0, end)
        if at >= 0:
            cut = max(cut, at + (3 if buffer.startswith(b"\n", at + 2) else 2))
    return cut if cut > 1 else 0
