from typing import Any

import msgspec
import pytest
from msgspec import Raw

from trio_gateway.dialects.citations import NO_MEMBER, NO_QUOTE, left_out, read_citation


@pytest.mark.parametrize("raw", [b"3", b'{"url": 3}', b"{", b'{"type": "\xff"}'])
def test_a_shape_that_nobody_knows_is_none(raw: bytes) -> None:
    assert read_citation(Raw(raw)) is None
    assert left_out(Raw(raw), Raw(b"{}")) is None


@pytest.mark.parametrize(
    ("citation", "page", "quoted"),
    [
        ({"type": "url_citation", "url": "https://a"}, True, False),
        ({"type": "web_search_result_location", "cited_text": "w"}, True, True),
        ({"type": "web_search_result_location", "cited_text": "", "encrypted_index": "e"}, True, True),
        ({"type": "char_location", "cited_text": "w"}, False, True),
        ({}, False, False),
    ],
)
def test_a_citation_says_whether_it_is_of_a_page_and_has_its_words(
    citation: dict[str, str], page: bool, quoted: bool
) -> None:
    raw = Raw(msgspec.json.encode(citation))
    read = read_citation(raw)
    assert read is not None
    assert (read.is_page, read.is_quoted) == (page, quoted)


@pytest.mark.parametrize(
    ("citation", "reason"),
    [
        ({"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}, None),
        ({"type": "url_citation", "url": "u", "x_new": None}, None),
        ({"type": "url_citation", "url": "u", "x_new": 1}, NO_MEMBER),
        ({"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}, None),
        ({"type": "url_citation", "url_citation": {"url": "u", "x_new": 1}}, NO_MEMBER),
        ({"type": "web_search_result_location", "url": "u", "cited_text": "w", "x_new": 1}, NO_QUOTE),
    ],
)
def test_what_is_left_out_of_a_citation_is_told(citation: dict[str, Any], reason: str | None) -> None:
    raw = Raw(msgspec.json.encode(citation))
    assert left_out(raw, Raw(b"{}")) == reason
    assert left_out(raw, raw) is None, "as it came, it says all"
