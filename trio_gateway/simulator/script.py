"""What an answer of a simulated provider should be: its words, its pace, its end."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import msgspec

HOWS = ("error", "cut", "eof", "fin", "silence")


class Rejected(Exception):
    """The simulated provider refuses the request.

    `kind`, `code` and `param` are the vendor's words, "" for its usual ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "",
        code: str = "",
        param: str | None = None,
        retry_after_s: float | None = None,
        latency_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.latency_s = latency_s


class ToolCall(msgspec.Struct, frozen=True):
    """`arguments` is JSON text, sent as it is where the dialect carries text. "": made up from the tool's schema."""

    name: str
    arguments: str = ""


class Script(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What to answer, and how. Times are in seconds.

    `fail_how`, after `fail_after` deltas of a stream (or in the middle of a plain body):

    - `error`: the dialect's own error event, then the end (a plain request: a plain 500);
    - `cut`: the connection is reset (RST);
    - `eof`: the HTTP message ends properly and the connection closes, without the dialect's terminal marker;
    - `fin`: the connection closes (FIN) inside the HTTP message;
    - `silence`: nothing more is sent, and the connection stays.
    """

    text: str | None = None
    """None: nothing is said (before deciding: a text that quotes the user)."""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    signature: str = ""
    refusal: str = ""
    finish: str = ""
    """stop, length, tool_calls, content_filter, or the dialect's own word; "": what follows from the answer."""

    chunks: int = 4
    """How many deltas carry the text of a stream."""
    fragments: int = 1
    """How many deltas carry the arguments of each call."""
    interleave: bool = False
    """Whether the deltas of parallel calls alternate, where the dialect allows it."""

    latency_s: float = 0.0
    """Before the response's head."""
    first_wait_s: float = 0.0
    """Between the head and the first byte of the body."""
    gap_s: float = 0.0
    """Between the deltas of a stream."""
    silence: str = ""
    """`headers`: the head never comes; `body`: the head comes, and nothing after it."""

    status: int = 200
    error_kind: str = ""
    retry_after_s: float | None = None
    error_in_200: bool = False
    """An error object in a 200: as the body, or as the first event of a stream."""
    fail_how: str = ""
    fail_after: int = 0

    prompt_tokens: int | None = None
    """Everything that was read, cached or not. None: a quarter of the characters."""
    completion_tokens: int | None = None
    """Everything that was written, reasoning included. None: a quarter of the characters."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def finish_word(self) -> str:
        """The neutral finish reason: what was asked for, or what follows from the answer."""
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


@lru_cache(maxsize=1024)
def cut(text: str, pieces: int) -> tuple[str, ...]:
    """Cut `text` into `pieces` parts, at spaces where there are enough; fewer for a short text, none for ""."""
    if pieces <= 1 or len(text) <= 1:
        return (text,) if text else ()
    words = text.split(" ")
    units = [words[0], *(" " + word for word in words[1:])] if len(words) >= pieces else list(text)
    units = [unit for unit in units if unit]
    count = min(pieces, len(units))
    borders = [len(units) * k // count for k in range(count + 1)]
    return tuple("".join(units[a:b]) for a, b in pairwise(borders))
