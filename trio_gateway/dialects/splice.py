"""Byte-exact edits of a JSON object's members: what passes through keeps its bytes, but for the one that changes.

Bodies are JSON that msgspec has accepted, so that only whole and well-formed texts are told apart here. Time is
linear in the body and spent in C: Python's share grows with the number of top-level members, not with the bytes.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
from msgspec import UNSET, Raw, UnsetType

# Names of members in the wire formats. They can be spelled otherwise only as \\u00XX.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")

_space = re.compile(rb"[ \t\r\n]*").match
# Possessive throughout: a string of a million escapes must not pile up a million states to go back to.
_key = re.compile(rb'[ \t\r\n]*+("(?:[^"\\]++|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL).match
_scalar = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^ \t\r\n,\]}{\["]++', re.DOTALL).match
_next_token = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL).finditer
_colon = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+").match
_after_value = re.compile(rb"[ \t\r\n]*+([,}])").match

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_key = msgspec.json.Decoder(str).decode


def splice_member(body: bytes, name: str, value: bytes) -> bytes:
    """Return the object `body` with its member `name` set to the JSON `value`, and every other byte as it was.

    Every occurrence at the top level is replaced, since which of them counts is up to the reader. An absent
    member becomes the first one. Raises ValueError when `body` is no object.
    """
    spans = find_member(body, name)
    if len(spans) == 1:
        start, end = spans[0]
        return b"%b%b%b" % (body[:start], value, body[end:])
    if spans:
        return _replace_all(body, spans, value)
    return _insert(body, name, value)


def find_member(body: bytes, name: str) -> list[tuple[int, int]]:
    """Return where the values of the top-level members called `name` start and end, however the key is spelled.

    `name` is ASCII letters, digits and underscores. Raises ValueError when it is not, or `body` is no object.
    """
    literal, probe, find_keys = _searchers(name)
    try:
        raw = probe.decode(body).value
    except msgspec.ValidationError as error:
        raise ValueError("the body is not a JSON object") from error
    if raw is UNSET:
        return []
    # The trick: msgspec has told that the member is there. When only one key in the whole text is spelled so, at
    # whatever depth, that is the one, and its value is as long as msgspec found it to be.
    first = body.find(literal)
    if first >= 0 and body.find(literal, first + 1) < 0 and rb"\u00" not in body:
        start = _colon(body, first + len(literal)).end()  # type: ignore[union-attr]  # it was read as a key
        return [(start, start + len(raw))]
    starts = [match.end() for match in find_keys(body)]
    if len(starts) == 1:
        return [(starts[0], starts[0] + len(raw))]
    return _walk(body, name)


def _replace_all(body: bytes, spans: list[tuple[int, int]], value: bytes) -> bytes:
    pieces: list[bytes] = []
    position = 0
    for start, end in spans:
        pieces += (body[position:start], value)
        position = end
    return b"".join((*pieces, body[position:]))


def _insert(body: bytes, name: str, value: bytes) -> bytes:
    inside = body.index(b"{") + 1
    first = _space(body, inside)
    assert first is not None, "no space is a match too"
    comma = b"" if body.startswith(b"}", first.end()) else b","
    return b"%b%b:%b%b%b" % (body[:inside], msgspec.json.encode(name), value, comma, body[inside:])


def _walk(body: bytes, name: str) -> list[tuple[int, int]]:
    """Go from one top-level member to the next; msgspec says how long their values are."""
    members = _decode_members(body)
    spelled = _key_is(name)
    spans = []
    position = body.index(b"{") + 1
    while (match := _key(body, position)) is not None:
        start, key = match.end(), match[1]
        end = _end_of_value(body, start, bytes(members[_decode_key(key)]))
        if spelled(key):
            spans.append((start, end))
        after = _after_value(body, end)
        assert after is not None, "the body is not the JSON it was said to be"
        position = after.end()
    return spans


def _end_of_value(body: bytes, start: int, guess: bytes) -> int:
    """Return where the value at `start` ends. `guess` is the value of the last member with this key.

    A guess that stands there whole is the value: no JSON value is the beginning of another one, but for numbers,
    and those show in what comes next.
    """
    if body.startswith(guess, start) and _after_value(body, start + len(guess)):
        return start + len(guess)
    scalar = _scalar(body, start)
    if scalar is not None:
        return scalar.end()
    depth = 0
    for token in _next_token(body, start):
        byte = body[token.start()]
        if byte in b"{[":
            depth += 1
        elif byte in b"}]":
            depth -= 1
            if not depth:
                return token.end()
    raise AssertionError("the body is not the JSON it was said to be")


@lru_cache(maxsize=64)
def _searchers(name: str):  # type: ignore[no-untyped-def]  # a struct made at run time has no type to name
    spellings = _spellings(name)
    shape = msgspec.defstruct("Probe", [("value", Raw | UnsetType, UNSET)], rename={"value": name})
    # A quote after a backslash is inside a string; any other quote before the name opens the string it is.
    # The look-behind comes second, so that the search leaps from quote to quote.
    keys = re.compile(rb'"(?<!\\")%b"[ \t\r\n]*+:[ \t\r\n]*+' % spellings)
    return b'"%b"' % name.encode(), msgspec.json.Decoder(shape), keys.finditer


@lru_cache(maxsize=64)
def _key_is(name: str):  # type: ignore[no-untyped-def]  # a bound method
    return re.compile(b'"%b"' % _spellings(name)).fullmatch


def _spellings(name: str) -> bytes:
    """Return the pattern of everything that means `name` inside a JSON string."""
    if not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a member that is spliced")
    return b"".join(b"(?:%c|%b)" % (byte, rb"\\u00(?i:%02x)" % byte) for byte in name.encode())
