"""What Google's search found, as citations of web pages in the texts that it grounds.

Google tells it once, beside the answer's parts, with places in UTF-8's bytes; everybody else cites in the text, and
counts characters. What is not a page, or of a place that the text does not have, stays where it is: a loss.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from trio_gateway.dialects.wire import BAD_BODY

_encode = msgspec.json.Encoder().encode


class _Web(msgspec.Struct):
    uri: str | None = None
    title: str | None = None
    domain: str | None = None


class _Chunk(msgspec.Struct):
    web: _Web | None = None


class _Segment(msgspec.Struct, rename="camel"):
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class _Support(msgspec.Struct, rename="camel"):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    grounding_chunks: list[_Chunk] | None = None
    grounding_supports: list[_Support] | None = None


_decode = msgspec.json.Decoder(_Metadata).decode


class _Citation(msgspec.Struct, tag_field="type", tag="url_citation"):
    """In the shape of Responses: `start_index` and `end_index` are in characters of the text."""

    url: str
    title: str
    start_index: int
    end_index: int


def citations(raw: Raw, text: str) -> list[Raw]:
    """Return what `groundingMetadata` says of a text. What cannot be read, or is not in the text, cites nothing."""
    try:
        metadata = _decode(raw)
    except BAD_BODY:
        return []
    pages = [chunk.web for chunk in metadata.grounding_chunks or ()]
    data = text.encode("utf-8", "surrogatepass")
    found: list[Raw] = []
    for support in metadata.grounding_supports or ():
        span = _span(support.segment or _Segment(), text, data)
        for index in support.grounding_chunk_indices or () if span is not None else ():
            page = pages[index] if 0 <= index < len(pages) else None
            if page is not None and page.uri and span is not None:
                found.append(Raw(_encode(_Citation(page.uri, page.title or page.domain or page.uri, *span))))
    return found


def _span(segment: _Segment, text: str, data: bytes) -> tuple[int, int] | None:
    """Return where a segment is in the text, in characters; None where its words are not there, or more than once."""
    start, end = segment.start_index or 0, segment.end_index or 0
    words = data[start:end] if 0 <= start < end <= len(data) else b""
    if segment.text and words != segment.text.encode("utf-8", "surrogatepass"):
        # The places of a stream, or of several parts, may be those in all of them together.
        first = text.find(segment.text)
        return (first, first + len(segment.text)) if first >= 0 and text.find(segment.text, first + 1) < 0 else None
    if not words or not _is_border(data, start) or not _is_border(data, end):
        return None
    begun = len(data[:start].decode("utf-8", "surrogatepass"))
    return begun, begun + len(words.decode("utf-8", "surrogatepass"))


def _is_border(data: bytes, place: int) -> bool:
    """Say whether no character is cut in two there."""
    return place == len(data) or data[place] & 0xC0 != 0x80
