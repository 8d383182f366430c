"""Server-sent events and newline-delimited JSON, both directions, fed byte chunks split anywhere.

Sources: the WHATWG HTML standard, section 9.2 (server-sent events); the NDJSON specification. Lines end at \\n,
\\r\\n or \\r and nowhere else, found on bytes: U+2028, U+0085 and the like are ordinary text inside JSON.
"""

from __future__ import annotations

from trio_gateway.errors import UpstreamBroke

MAX_EVENT_BYTES = 64 * 1024 * 1024  # an image in one event is large; more than this is a fault of the sender

KEEP_ALIVE = b": waiting for the first event\n\n"
"""A comment: readers of server-sent events skip it (WHATWG, 9.2.6), but for those of Google's clients."""

_BOM = b"\xef\xbb\xbf"


class SseDecoder:
    """Cut a stream of server-sent events into the data of its events.

    Events without data (comments, keep-alives, bare event names) are skipped: `data` repeats the event's name
    in every dialect that uses names. Raises UpstreamBroke when an event exceeds `max_event_bytes`.
    """

    __slots__ = ("_max_event_bytes", "_pieces", "_size", "_started")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pieces: list[bytes] = []  # of the unfinished block; joined when its end may have come
        self._size = 0
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of every event that `chunk` completes."""
        # The trick: a chunk that starts and ends on an event's border, which is nearly all of them, is one
        # split away from its events. Everything else goes through the general path.
        if not self._pieces and self._started and chunk.endswith(b"\n\n") and b"\r" not in chunk:
            return [data for block in chunk[:-2].split(b"\n\n") if (data := _data_of(block)) is not None]
        return self._feed_split(chunk)

    def _feed_split(self, chunk: bytes) -> list[bytes]:
        if not chunk:
            return []
        last = self._pieces[-1][-1:] if self._pieces else b""
        self._pieces.append(chunk)
        self._size += len(chunk)
        # Only a blank line finishes an event; without one the block just grows, and is not searched again: an event
        # of many lines in many chunks would cost the square of its size.
        if self._started and last != b"\r" and not _may_hold_blank_line(last + chunk):
            self._check_size()
            return []
        buffer = b"".join(self._pieces)
        if not self._started:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                return []
            self._started = True
            buffer = buffer.removeprefix(_BOM)
        # A \r at the very end may be half of \r\n: it stays until the next byte tells.
        held = b""
        if buffer.endswith(b"\r"):
            buffer, held = buffer[:-1], b"\r"
        text = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in buffer else buffer
        *blocks, rest = text.split(b"\n\n")
        rest += held
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        found = [data for block in blocks if (data := _data_of(block)) is not None]
        if not found:  # what is whole is told first
            self._check_size()
        return found

    def close(self) -> list[bytes]:
        """Return the data of a last event that no blank line followed, where its last line is whole."""
        buffer = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if not self._started:
            buffer = buffer.removeprefix(_BOM)
        text = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return [data for block in text.split(b"\n\n") if (data := _data_of(block)) is not None]

    def _check_size(self) -> None:
        if self._size > self._max_event_bytes:
            raise UpstreamBroke(f"The provider sent an event of more than {self._max_event_bytes} bytes.")


def _may_hold_blank_line(text: bytes) -> bool:
    """Say whether a line end may follow a line end: every pair of them but \\r\\n, which is one."""
    return b"\n\n" in text or b"\n\r" in text or b"\r\r" in text


def _data_of(block: bytes) -> bytes | None:
    """Return the data lines of one event, joined; None where it has none."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = [line[5:] for line in block.split(b"\n") if line.startswith(b"data:")]
    found = [line[1:] if line.startswith(b" ") else line for line in lines]
    return b"\n".join(found) if found else None


class LineDecoder:
    """Cut newline-delimited JSON into its lines, without blank ones.

    Raises UpstreamBroke when a line exceeds `max_event_bytes`.
    """

    __slots__ = ("_max_event_bytes", "_pieces", "_size")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return every line that `chunk` completes."""
        if b"\n" not in chunk:
            if chunk:
                self._pieces.append(chunk)
                self._size += len(chunk)
                self._check_size()
            return []
        head, *lines = chunk.split(b"\n")
        if self._pieces:
            self._pieces.append(head)
            head = b"".join(self._pieces)
        rest = lines.pop()
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        found = [line for line in (head, *lines) if line and not line.isspace()]
        if not found:  # what is whole is told first
            self._check_size()
        return found

    def close(self) -> list[bytes]:
        """Return a last line that no newline followed."""
        rest = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return [rest] if rest.strip() else []

    def _check_size(self) -> None:
        if self._size > self._max_event_bytes:
            raise UpstreamBroke(f"The provider sent a line of more than {self._max_event_bytes} bytes.")


def sse(data: bytes) -> bytes:
    """Return one event. `data` is JSON, which holds no line ends."""
    return b"data: %b\n\n" % data


def sse_named(event: bytes, data: bytes) -> bytes:
    """Return one event with a name."""
    return b"event: %b\ndata: %b\n\n" % (event, data)
