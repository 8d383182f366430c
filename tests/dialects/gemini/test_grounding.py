from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from trio_gateway import translate_answer
from trio_gateway.dialects.gemini.grounding import citations

PAGES = [
    {"web": {"uri": "https://a", "title": "A"}},
    {"web": {"uri": "https://b", "domain": "b"}},
    {"maps": {"uri": "m"}},
]
TEXT = "Zürich is big. It is Zürich."


def cited(*segments: Any, text: str = TEXT, pages: Any = PAGES, chunks: Any = (0,)) -> list[tuple[str, str, str]]:
    supports = [{"segment": segment, "groundingChunkIndices": list(chunks)} for segment in segments]
    raw = Raw(json.dumps({"groundingChunks": pages, "groundingSupports": supports, "webSearchQueries": ["q"]}).encode())
    found = [json.loads(bytes(citation)) for citation in citations(raw, text)]
    assert all(one["type"] == "url_citation" for one in found)
    return [(one["url"], one["title"], text[one["start_index"] : one["end_index"]]) for one in found]


def test_places_are_in_bytes_and_become_characters() -> None:
    assert cited({"endIndex": 7}) == [("https://a", "A", "Zürich")]
    assert cited({"startIndex": 8, "endIndex": 15, "text": "is big."}) == [("https://a", "A", "is big.")]


def test_words_that_are_elsewhere_are_found_where_they_are_once() -> None:
    assert cited({"startIndex": 90, "endIndex": 97, "text": "is big."}) == [("https://a", "A", "is big.")]
    assert cited({"startIndex": 90, "endIndex": 97, "text": "Zürich"}) == [], "which of the two is not known"
    assert cited({"startIndex": 0, "endIndex": 3, "text": "gone"}) == []


@pytest.mark.parametrize(
    "segment",
    [{}, {"endIndex": 2}, {"startIndex": 2, "endIndex": 4}, {"startIndex": 5, "endIndex": 99}, {"startIndex": -3}],
)
def test_a_place_that_is_none_cites_nothing(segment: Any) -> None:
    assert cited(segment) == []


def test_a_page_needs_no_title_and_what_is_no_page_is_none() -> None:
    assert cited({"endIndex": 7}, chunks=(1, 2, 3, -1)) == [("https://b", "b", "Zürich")]
    assert cited({"endIndex": 7}, pages=[{"web": {"uri": "https://c"}}]) == [("https://c", "https://c", "Zürich")]


@pytest.mark.parametrize("raw", [b"null", b"3", b'{"groundingChunks":3}', b"{}"])
def test_what_cannot_be_read_cites_nothing(raw: bytes) -> None:
    assert citations(Raw(raw), TEXT) == []


@pytest.mark.parametrize("signed", [{}, {"thoughtSignature": "c2ln"}])
@pytest.mark.parametrize("client", ["openai_chat", "openai_responses"])
def test_a_grounded_answer_is_cited(client: str, signed: Any) -> None:
    support = {"segment": {"endIndex": 7, "text": "Zürich"}, "groundingChunkIndices": [0]}
    body = {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": TEXT, **signed}]},
                "finishReason": "STOP",
                "groundingMetadata": {"groundingChunks": PAGES, "groundingSupports": [support]},
            }
        ]
    }
    answer = translate_answer(json.dumps(body).encode(), "gemini", client)
    assert b'"url":"https://a"' in answer.body
    assert b'"end_index":6' in answer.body
    assert "/candidates/0/groundingMetadata" in [loss.pointer for loss in answer.losses]
