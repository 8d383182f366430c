"""Citations travel in the shape of their own dialect. This reads what those of web pages have in common."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from trio_gateway.dialects.unread import unread_members
from trio_gateway.dialects.wire import BAD_BODY

NO_QUOTE = "the words that are cited, and their token, have no place in the client's format"
NO_MEMBER = "what nobody knows of a citation is not carried to another format"

_PAGES = frozenset({"web_search_result_location", "url_citation"})


class Citation(msgspec.Struct):
    """All of it optional. Chat nests the page in `url_citation`, Anthropic has no indices: it is of the whole text."""

    type: str | None = None
    url_citation: Raw | UnsetType = UNSET
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    cited_text: str | None = None
    encrypted_index: str | None = None

    @property
    def is_page(self) -> bool:
        return self.type in _PAGES

    @property
    def is_quoted(self) -> bool:
        """Say whether it has the words of its source, or a token for them."""
        return bool(self.cited_text or self.encrypted_index)


class _Page(msgspec.Struct):
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Known(Citation):
    """All that is known of any of them, to find what is not."""

    url_citation: _Page | UnsetType = UNSET  # type: ignore[assignment]  # looked into, here


_decode = msgspec.json.Decoder(Citation).decode


def read_citation(raw: Raw) -> Citation | None:
    """Return what a citation says; None for a shape that nobody knows."""
    try:
        return _decode(raw)
    except BAD_BODY:
        return None


def left_out(raw: Raw, written: Raw) -> str | None:
    """Return why a citation of a web page says less as `written` for another dialect; None where it says the same."""
    citation = None if written is raw else read_citation(raw)
    if citation is None:
        return None
    if citation.is_quoted:
        return NO_QUOTE
    return NO_MEMBER if unread_members(raw, _Known) else None
