"""One structured line an exchange, on stderr: text for people, JSON for everything else.

Events that are not exchanges (a worker starts, a bug's traceback) go through the standard library's logging under
the logger `trio_gateway`, formatted alike.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Literal, TextIO

import msgspec

from trio_gateway.ledger.record import Record

_encode = msgspec.json.Encoder().encode


class ExchangeLine(msgspec.Struct, omit_defaults=True):
    """The JSON line of one exchange. Times are milliseconds, counts tokens; absent is unknown."""

    time: str
    event: str
    request_id: str
    endpoint: str
    outcome: str
    status: int | None = None
    model: str | None = None
    channel: str | None = None
    target_model: str | None = None
    stream: bool = False
    first_event_ms: float | None = None
    total_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    losses: int = 0
    lost: list[str] = []
    answer_losses: int = 0
    answer_lost: list[str] = []
    upstream_request_id: str | None = None
    attempts: int = 1
    hedges: int = 0
    tried: list[str] = []
    error: str | None = None


class ExchangeLog:
    """Writes records as lines. `now` gives Unix seconds."""

    def __init__(self, form: Literal["text", "json", "off"], stream: TextIO, now: Callable[[], float]) -> None:
        self._form = form
        self._stream = stream
        self._now = now
        self._second = -1
        self._stamp = ""

    def write(self, record: Record) -> None:
        if self._form == "off":
            return
        line = self._line(record)
        text = _encode(line).decode() if self._form == "json" else _as_text(line)
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads stderr any more. An exchange is not to fail for that.
            self._form = "off"

    def _line(self, record: Record) -> ExchangeLine:
        usage = record.usage
        return ExchangeLine(
            time=self._timestamp(),
            event="exchange",
            request_id=record.request_id,
            endpoint=record.endpoint,
            outcome=record.outcome,
            status=record.status,
            model=record.model,
            channel=record.channel,
            target_model=record.target_model,
            stream=record.stream,
            first_event_ms=_ms(record.started_s, record.first_event_s),
            total_ms=_ms(record.started_s, record.ended_s),
            tokens_in=usage.input if usage else None,
            tokens_out=usage.output if usage else None,
            tokens_cached=usage.cached if usage else None,
            losses=record.losses,
            lost=record.lost,
            answer_losses=record.answer_losses,
            answer_lost=record.answer_lost,
            upstream_request_id=record.upstream_request_id,
            attempts=record.attempts or 1,
            hedges=record.hedges,
            tried=record.tried,
            error=record.error,
        )

    def _timestamp(self) -> str:
        """Return now in RFC 3339, to the second: formatting a date costs more than the rest of a line."""
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
        return self._stamp


def _ms(start_s: float, end_s: float | None) -> float | None:
    return None if end_s is None else round((end_s - start_s) * 1000, 1)


def _as_text(line: ExchangeLine) -> str:
    went = f"{line.model or '-'} → {line.channel}/{line.target_model}" if line.channel else (line.model or "-")
    first = f" first {line.first_event_ms:g} ms" if line.first_event_ms is not None and line.stream else ""
    tokens = f" {_count(line.tokens_in)}→{_count(line.tokens_out)} tokens" if line.tokens_in or line.tokens_out else ""
    total = f" {line.total_ms:g} ms" if line.total_ms is not None else ""
    error = f" ({_one_line(line.error)})" if line.error else ""
    head = f"{line.time[11:19]} {line.outcome:<14} {line.status or '---'} {line.endpoint} {went}"
    attempts = f" {line.attempts} attempts" if line.attempts > 1 else ""
    return f"{head}{total}{first}{tokens}{attempts} [{line.request_id}]{error}"


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)


def _one_line(text: str) -> str:
    return " ".join(text.split())


class JsonFormatter(logging.Formatter):
    """The same lines for what is not an exchange."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "event": record.name,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line).decode()


def form_for(form: Literal["auto", "text", "json", "off"], stream: TextIO) -> Literal["text", "json", "off"]:
    """Decide `auto`: text on a terminal, JSON otherwise."""
    if form == "auto":
        return "text" if stream.isatty() else "json"
    return form


def configure_logging(form: Literal["text", "json", "off"]) -> None:
    """Send the standard library's logging to stderr in the given form. Called once, by the command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
