"""Pointers of what no part of an answer says."""

from __future__ import annotations

import pytest

from trio_gateway.dialects.answer_places import citations_at, place


def test_a_place_is_the_sources_member() -> None:
    assert place("openai_chat", "stop", 2) == "/choices/2/finish_reason"
    assert place("anthropic_messages", "sequence") == "/stop_sequence"
    assert place("gemini", "logprobs", 1) == "/candidates/1/logprobsResult"


def test_of_a_stream_and_of_what_a_dialect_does_not_have_it_is_in_nobodys_words() -> None:
    assert place("", "choice", 1) == "/choices/1"
    assert place("openai_chat", "detail") == "/stop/detail"


@pytest.mark.parametrize(
    ("text", "citations"),
    [
        ("/choices/0/message/content", "/choices/0/message/annotations"),
        ("/output/1/content/0", "/output/1/content/0/annotations"),
        ("/content/3", "/content/3/citations"),
    ],
)
def test_citations_are_where_the_texts_format_has_them(text: str, citations: str) -> None:
    assert citations_at(text) == citations
