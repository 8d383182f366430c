"""Reading bodies at the edge: msgspec's errors in the client's terms, and a struct's members."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import msgspec

from trio_gateway.errors import InvalidRequest, UpstreamBroke

T = TypeVar("T")

# All three are a bad body: the JSON is wrong, holds bytes that are no text, or is nested too deeply.
BAD_BODY = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_PATH = re.compile(r" - at `(?:key in )?(\$[^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def read_request(decoder: msgspec.json.Decoder[T], body: bytes, what: str = "") -> T:
    """Decode a client's body. Raises InvalidRequest with the JSON pointer of the field that is wrong.

    `what` is the pointer of the document that `body` is part of, for bodies decoded in pieces.
    """
    try:
        if not what:  # a piece is text if its document is
            check_text(body)
        return decoder.decode(body)
    except BAD_BODY as error:
        raise invalid(error, what) from error


def check_text(body: bytes) -> None:
    """Raise UnicodeDecodeError, which is of BAD_BODY, for bytes that are no text.

    msgspec does not look inside what it skips or keeps Raw: without this they would be passed on.
    """
    if not body.isascii():
        body.decode()


def read_answer(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a provider's body. Raises UpstreamBroke."""
    try:
        check_text(body)
        return decoder.decode(body)
    except BAD_BODY as error:
        raise UpstreamBroke(f"The provider's answer cannot be read: {_sentence(error)[0]}.") from error


def invalid(error: Exception, prefix: str = "") -> InvalidRequest:
    """Return the client's error for one of BAD_BODY."""
    sentence, pointer = _sentence(error)
    at = prefix + pointer
    if isinstance(error, msgspec.ValidationError):
        return InvalidRequest(f"{sentence} at {at or 'the top level'}.", code="invalid_value", pointer=at)
    return InvalidRequest(f"The body is not valid JSON: {sentence}.", code="invalid_json", pointer=at)


def wrong(message: str, pointer: str) -> InvalidRequest:
    """Return the client's error for a value that cannot be served."""
    return InvalidRequest(message, code="invalid_value", pointer=pointer)


def missing(sentence: str, at: str) -> InvalidRequest:
    """Return the client's error for a member that must be there: the sentence has no place and no stop yet."""
    return InvalidRequest(f"{sentence}, at {at}.", code="missing_required_parameter", pointer=at)


def _sentence(error: Exception) -> tuple[str, str]:
    """Return msgspec's message without its path, and the path as a JSON pointer."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply", ""
    if isinstance(error, UnicodeDecodeError):
        return "it holds bytes that are not UTF-8", ""
    message = str(error)
    match = _PATH.search(message)
    missing = _MISSING.search(message)
    tail = "/" + escape(missing[1]) if missing else ""  # the path ends at the object that lacks the field
    if match is None:
        return message.removesuffix("."), tail
    steps = (name or index for name, index in _STEP.findall(match[1]))
    return message[: match.start()], "".join("/" + escape(step) for step in steps) + tail


def escape(step: str) -> str:
    """Return one reference token of a JSON pointer (RFC 6901, section 3)."""
    return step.replace("~", "~0").replace("/", "~1") if "~" in step or "/" in step else step


def on_one_line(raw: msgspec.Raw) -> str | None:
    """Return JSON that was passed over unread as a line of text; None where it is none."""
    try:
        return msgspec.json.format(bytes(raw).decode(errors="replace"), indent=-1)
    except BAD_BODY:
        return None


_decode_text = msgspec.json.Decoder(str).decode


def text_of(raw: bytes | msgspec.Raw) -> str | None:
    """Return what a JSON string says; None for any other JSON, and for what is none."""
    try:
        return _decode_text(raw)
    except BAD_BODY:
        return None


@cache
def field_names(shape: type[msgspec.Struct]) -> frozenset[str]:
    """Return the JSON names of a struct's fields, its tag included."""
    names = set(shape.__struct_encode_fields__)
    config: Any = shape.__struct_config__
    if config.tag_field is not None:
        names.add(config.tag_field)
    return frozenset(names)


NULL = msgspec.Raw(b"null")  # Raw equals Raw, never bytes


def present(message: msgspec.Struct, fields: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """Yield (name, value) of those of `fields` that are neither absent nor null."""
    for name in fields:
        value = getattr(message, name)
        if value is not None and value is not msgspec.UNSET and value != NULL:
            yield name, value
