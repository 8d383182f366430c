import msgspec
import pytest
from msgspec import Raw

from trio_gateway.dialects.citations import is_quoted, read_citation


@pytest.mark.parametrize("raw", [b"3", b'{"url": 3}', b"{", b'{"type": "\xff"}'])
def test_a_shape_that_nobody_knows_is_none(raw: bytes) -> None:
    assert read_citation(Raw(raw)) is None
    assert not is_quoted(Raw(raw))


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
    assert (read.is_page, is_quoted(raw)) == (page, quoted)
