"""Byte-exact edits of JSON objects and arrays: what passes through keeps its bytes, but for what changes.

Bodies are JSON that msgspec has accepted, so that only whole and well-formed texts are told apart here. Time is
linear in the body and spent in C: Python's share grows with the number of top-level members, not with the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
_after_comma = re.compile(rb"[ \t\r\n]*+,?[ \t\r\n]*+").match
_after_value = re.compile(rb"[ \t\r\n]*+([,}])").match

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
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


def edit_member(body: bytes, name: str, edit: Callable[[bytes], bytes]) -> bytes:
    """Return the object `body` with each value of its member `name` replaced by what `edit` makes of it.

    Raises ValueError when `body` is no object.
    """
    pieces: list[bytes] = []
    position = 0
    for start, end in find_member(body, name):
        pieces += (body[position:start], edit(body[start:end]))
        position = end
    return b"".join((*pieces, body[position:]))


def drop_member(body: bytes, name: str) -> bytes:
    """Return the object `body` without its member `name`, and with one comma less for each time that it was there.

    Raises ValueError when `body` is no object.
    """
    if not find_member(body, name):
        return body
    spelled = _key_is(name)
    return _rejoin(
        body, [(key.start(1), end, None if spelled(key[1]) else body[key.start(1) : end]) for key, end in _walk(body)]
    )


def edit_items(body: bytes, edit: Callable[[int, bytes], bytes | None]) -> bytes:
    """Return the array `body` with what `edit` makes of each item, given its place; without those it gives None for.

    Raises msgspec.DecodeError when `body` is no array.
    """
    spans: list[tuple[int, int, bytes | None]] = []
    position = body.find(b"[") + 1
    for place, item in enumerate(_decode_items(body)):
        start = _after_comma(body, position).end()  # type: ignore[union-attr]  # no comma is a match too
        position = start + len(item)
        spans.append((start, position, edit(place, body[start:position])))
    return _rejoin(body, spans)


def _rejoin(body: bytes, spans: list[tuple[int, int, bytes | None]]) -> bytes:
    """Return `body` with other texts in the place of its elements; one that is None goes, with what parts it off."""
    if not spans:
        return body
    pieces = [body[: spans[0][0]]]
    end_before = spans[0][0]
    for start, end, text in spans:
        if text is not None:
            if len(pieces) > 1:
                pieces.append(body[end_before:start])
            pieces.append(text)
        end_before = end
    return b"".join((*pieces, body[end_before:]))


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
    spelled = _key_is(name)
    return [(key.end(), end) for key, end in _walk(body) if spelled(key[1])]


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


def _walk(body: bytes) -> Iterator[tuple[re.Match[bytes], int]]:
    """Yield each top-level member: its key's match, after which its value begins, and where that ends.

    msgspec says how long values are.
    """
    members = _decode_members(body)
    position = body.index(b"{") + 1
    while (match := _key(body, position)) is not None:
        end = _end_of_value(body, match.end(), bytes(members[_decode_key(match[1])]))
        yield match, end
        after = _after_value(body, end)
        assert after is not None, "the body is not the JSON it was said to be"
        position = after.end()


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
