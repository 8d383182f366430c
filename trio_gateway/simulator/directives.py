"""The grammar in which a request says what the simulator shall answer.

    [sim: chunks=5 gap_ms=20 text="Well, \\"hello\\"." fail=cut@2]

Anywhere in the last user text or in the system text; several are applied in order, the user's after the system's.
Between the brackets: `key=value` pairs, separated by blanks. A value is a bare word (up to a blank or `]`), a JSON
string, or a JSON object. The keys:

    text, reasoning, signature, refusal    what is said
    tool                                   call this tool; again for a parallel call
    args                                   the arguments of the `tool` before it: a JSON object, or a string of any text
    finish                                 stop, length, tool_calls, content_filter, or the dialect's own word
    chunks, fragments                      deltas of a text; deltas of each call's arguments
    interleave                             yes: the deltas of parallel calls alternate
    latency_ms, first_ms, gap_ms           before the head; between head and body; between deltas
    silence                                headers: the head never comes; body: nothing after it
    status, error, retry_after             an error: its status, the vendor's word for it, seconds
    error_in_200                           yes: an error object in a 200, or as a stream's first event
    fail                                   error, cut, eof, fin or silence, and after how many deltas: cut@2
    prompt, completion                     tokens read and written
    cached, cache_write, reasoned          tokens of them read from the cache, written to it, spent on reasoning

Anything else is refused with a 400 that lists the keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from trio_gateway.simulator.script import HOWS, Rejected, ToolCall

OPEN = "[sim:"

_BLANKS = " \t\r\n"
_JSON = json.JSONDecoder()


def strip_directives(text: str) -> tuple[str, dict[str, Any]]:
    """Return the text without its directives, and the changes to a Script they ask for. Raises Rejected."""
    kept: list[str] = []
    changes: dict[str, Any] = {}
    calls: list[ToolCall] = []
    at = 0
    while (start := text.find(OPEN, at)) >= 0:
        kept.append(text[at:start])
        at = _read_block(text, start + len(OPEN), changes, calls)
    kept.append(text[at:])
    if calls:
        changes["tool_calls"] = tuple(calls)
    return "".join(kept).strip(), changes


def _read_block(text: str, at: int, changes: dict[str, Any], calls: list[ToolCall]) -> int:
    """Read the pairs of one block; return where it ends."""
    while True:
        while at < len(text) and text[at] in _BLANKS:
            at += 1
        if at >= len(text):
            raise _bad("a directive is not closed: ']' is missing")
        if text[at] == "]":
            return at + 1
        equals = at
        while equals < len(text) and text[equals] not in "=]" + _BLANKS:
            equals += 1
        key = text[at:equals]
        if equals >= len(text) or text[equals] != "=":
            raise _bad(f"{key!r} has no value: write {key}=VALUE")
        value, at = _read_value(text, equals + 1)
        _apply(key, value, changes, calls)


def _read_value(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] in ("{", '"'):
        try:
            value, end = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError):
            raise _bad(f"what follows {text[max(0, at - 20) : at]!r} is not JSON") from None
        return (value if isinstance(value, str) else text[at:end]), end
    end = at
    while end < len(text) and text[end] not in "]" + _BLANKS:
        end += 1
    return text[at:end], end


def _apply(key: str, value: str, changes: dict[str, Any], calls: list[ToolCall]) -> None:
    if key == "tool":
        calls.append(ToolCall(value))
    elif key == "args":
        if not calls:
            raise _bad("'args' comes after the 'tool' it belongs to")
        calls[-1] = ToolCall(calls[-1].name, value)
    elif key == "fail":
        how, _, after = value.partition("@")
        changes["fail_how"] = _one_of(key, how, HOWS)
        changes["fail_after"] = _whole(key, after, 0, MAX_DELTAS) if after else 0
    elif key in _KEYS:
        field, read = _KEYS[key]
        changes[field] = read(key, value)
    else:
        raise _bad(f"unknown directive {key[:40]!r}")


MAX_DELTAS = 100_000
MAX_WAIT_S = 3600.0
_MAX_TOKENS = 2**53


def _word(key: str, value: str) -> str:
    return value


def _whole(key: str, value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 20 and least <= int(value) <= most):
        raise _bad(f"{key}={value[:40]!r}: a whole number from {least} to {most}")
    return int(value)


def _deltas(key: str, value: str) -> int:
    return _whole(key, value, 1, MAX_DELTAS)


def _tokens(key: str, value: str) -> int:
    return _whole(key, value, 0, _MAX_TOKENS)


def _status(key: str, value: str) -> int:
    return _whole(key, value, 200, 599)


def _seconds(key: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_S:
        raise _bad(f"{key}={value[:40]!r}: a number from 0 to {MAX_WAIT_S:.0f} seconds")
    return seconds


def _milliseconds(key: str, value: str) -> float:
    try:
        return _seconds(key, str(float(value) / 1000))
    except ValueError:
        raise _bad(f"{key}={value[:40]!r}: a number of milliseconds") from None


def _yes(key: str, value: str) -> bool:
    return _one_of(key, value, ("yes", "no")) == "yes"


def _silence(key: str, value: str) -> str:
    return _one_of(key, value, ("headers", "body"))


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise _bad(f"{key}={value[:40]!r}: one of {', '.join(allowed)}")
    return value


_KEYS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "text": ("text", _word),
    "reasoning": ("reasoning", _word),
    "signature": ("signature", _word),
    "refusal": ("refusal", _word),
    "finish": ("finish", _word),
    "chunks": ("chunks", _deltas),
    "fragments": ("fragments", _deltas),
    "interleave": ("interleave", _yes),
    "latency_ms": ("latency_s", _milliseconds),
    "first_ms": ("first_wait_s", _milliseconds),
    "gap_ms": ("gap_s", _milliseconds),
    "silence": ("silence", _silence),
    "status": ("status", _status),
    "error": ("error_kind", _word),
    "retry_after": ("retry_after_s", _seconds),
    "error_in_200": ("error_in_200", _yes),
    "prompt": ("prompt_tokens", _tokens),
    "completion": ("completion_tokens", _tokens),
    "cached": ("cached_tokens", _tokens),
    "cache_write": ("cache_write_tokens", _tokens),
    "reasoned": ("reasoning_tokens", _tokens),
}

ALLOWED = tuple(sorted((*_KEYS, "args", "fail", "tool")))


def _bad(problem: str) -> Rejected:
    return Rejected(400, f"Simulator directive: {problem}. Allowed: {', '.join(ALLOWED)}.")
