"""Documents made of blocks, and search results, as the texts and images that every dialect has.

Only Anthropic has them whole, to cite them block by block. What they say is for any model: the title, the context or
where it is from, and then their texts, with their images between.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from trio_gateway.dialects.anthropic_messages.nodes import BLOCKS, CITATIONS, CONTENT_SOURCE, SEARCH_RESULT
from trio_gateway.dialects.conversation import CacheMark, Image, Loss, Losses, Opaque, Part, Text
from trio_gateway.dialects.members import mark_at
from trio_gateway.dialects.wire import NULL
from trio_gateway.errors import InvalidRequest

QUOTED = frozenset({"document", "search_result"})


class Quotation(msgspec.Struct):
    """A block whose content is blocks: what is said before them, and they, with the pointer of their list."""

    tag: str
    at: str
    heading: list[str]
    content: str | list[Raw]
    content_at: str
    cache_control: Raw | msgspec.UnsetType = UNSET

    def blocks(self) -> list[tuple[Raw, str]]:
        if isinstance(self.content, str):
            return []
        return [(raw, f"{self.content_at}/{place}") for place, raw in enumerate(self.content)]


def read_quotation(part: Opaque, unread: Losses) -> Quotation | None:
    """Read a block of a tag in QUOTED; None for a shape that this gateway does not know.

    What the document's own reader has named already is not named again.
    """
    at, raw = part.at, part.raw
    content: str | list[Raw]
    try:
        if part.tag == "search_result":
            found = SEARCH_RESULT.read(raw, at, unread)
            heading, content, content_at = [found.title, found.source], found.content, at + "/content"
        else:
            found = BLOCKS["document"].read(raw, at, [])
            source = CONTENT_SOURCE.read(found.source, at + "/source", unread)
            heading = [each for each in (found.title, found.context) if isinstance(each, str)]
            content, content_at = source.content, at + "/source/content"
        cited = found.citations
        if cited is not UNSET and cited != NULL and CITATIONS.read(cited, at + "/citations", unread).enabled is True:
            unread.append(Loss(at + "/citations", "what is sent as text is not cited"))
    except InvalidRequest:
        return None
    return Quotation(part.tag, at, heading, content, content_at, found.cache_control)


def lay_out(quotation: Quotation, inner: list[Part], mark: CacheMark | None, unread: Losses) -> list[Part]:
    """Return the parts that say what the quotation does, whose blocks are `inner`: none where nothing is said.

    Texts up to the next image are one, a blank line between two. `mark` is the whole block's.
    """
    parts: list[Part] = []
    texts, at = ["\n".join(filter(None, quotation.heading))], quotation.at
    if isinstance(quotation.content, str):
        texts.append(quotation.content)
    for part in inner:
        if type(part) is Text:
            at = at or part.at
            texts.append(part.text)
            _lose_details(part, unread)
        else:
            parts += _joined(texts, at)
            parts.append(part)
            texts, at = [], ""
    parts += _joined(texts, at)
    if not parts:
        return []
    unread.append(Loss(quotation.at, f"the blocks of this {quotation.tag} are sent as text"))
    if mark is not None:
        last = parts[-1]
        if (type(last) is Text or type(last) is Image) and last.cache is None:
            last.cache = mark
        else:
            unread.append(Loss(mark_at(mark, quotation.at), "its last block has a mark, or cannot carry one"))
    return parts


def _joined(texts: list[str], at: str) -> list[Part]:
    text = "\n\n".join(filter(None, texts))
    return [Text(text, at)] if text else []


def _lose_details(part: Text, unread: Losses) -> None:
    if part.cache is not None:
        unread.append(Loss(mark_at(part.cache, part.at), "there is no mark within a text"))
    if part.citations:
        unread.append(Loss(part.at + "/citations", "there are no citations within a text"))
