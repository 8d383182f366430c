"""Pages of the list of models, as Anthropic's and Google's documents cut them. Pure.

Without a size a list is whole: a client that does not ask for pages would miss what is on the next. Anthropic's clients
go on from an id, in either direction, Google's from a token, which is a name in disguise. A name that has left the list
meanwhile is refused: nobody can say any more where it stood.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trio_gateway.errors import InvalidRequest

SIZE_MAX = 1000


class Page(NamedTuple):
    """`more` says that there are further names in the direction that was asked for."""

    names: Sequence[str]
    more: bool


def anthropic_page(names: Sequence[str], query: Mapping[str, str]) -> Page:
    """Cut by `limit`, and `after_id` or `before_id`. Raises InvalidRequest."""
    size = _number(query, "limit") if query.get("limit") else None
    if size is not None and not 1 <= size <= SIZE_MAX:
        raise InvalidRequest(f"limit must be from 1 to {SIZE_MAX}.", pointer="/limit")
    after, before = query.get("after_id"), query.get("before_id")
    if after and before:
        raise InvalidRequest("after_id and before_id exclude each other.", pointer="/before_id")
    if before:
        rest = names[: _place(names, before, "before_id")]
        start = 0 if size is None else max(0, len(rest) - size)
        return Page(rest[start:], start > 0)
    return _first(names[_place(names, after, "after_id") + 1 :] if after else names, size)


def gemini_page(names: Sequence[str], query: Mapping[str, str]) -> tuple[Page, str | None]:
    """Cut by `pageSize` and `pageToken`; return the token of the next page too. Raises InvalidRequest.

    As at Google's, a size of 0 is none, and one that is too large is the largest there is.
    """
    size = _number(query, "pageSize") if query.get("pageSize") else 0
    if size < 0:
        raise InvalidRequest("pageSize must not be negative.", pointer="/pageSize")
    if token := query.get("pageToken"):
        names = names[_place(names, _name_of(token), "pageToken") + 1 :]
    page = _first(names, min(size, SIZE_MAX) or None)
    return page, _token_of(page.names[-1]) if page.more else None


def _first(names: Sequence[str], size: int | None) -> Page:
    return Page(names[:size], size is not None and len(names) > size)


def _number(query: Mapping[str, str], name: str) -> int:
    try:
        return int(query[name])
    except ValueError as error:
        raise InvalidRequest(f"{name} must be a whole number.", pointer=f"/{name}") from error


def _place(names: Sequence[str], name: str, asked_by: str) -> int:
    try:
        return names.index(name)
    except ValueError as error:
        raise InvalidRequest(f"{asked_by} is of no model that there is.", pointer=f"/{asked_by}") from error


def _token_of(name: str) -> str:
    return urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _name_of(token: str) -> str:
    """Return the name that a token hides; "" for what is no token."""
    try:
        return urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeError):
        return ""
