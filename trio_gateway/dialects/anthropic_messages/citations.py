"""Citations travel in their dialect's own shape; these are the ones that are Anthropic's."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from gateway_schemas.anthropic_messages import Tagged
from trio_gateway.dialects.wire import BAD_BODY

_TYPES = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "web_search_result_location",
        "search_result_location",
    }
)
_decode_tag = msgspec.json.Decoder(Tagged).decode


def own_citations(citations: list[Raw]) -> list[Raw]:
    return [raw for raw in citations if is_own_citation(raw)]


def is_own_citation(raw: Raw) -> bool:
    try:
        return _decode_tag(raw).type in _TYPES
    except BAD_BODY:
        return False
