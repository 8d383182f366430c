from __future__ import annotations

from msgspec import Raw

from trio_gateway.dialects.conversation import Opaque
from trio_gateway.dialects.events import Cite, Close, Delta, Open
from trio_gateway.dialects.openai_responses.stream_parts import StreamParts

RAW = Raw(b"{}")


def test_what_has_been_told_is_not_told_again() -> None:
    parts = StreamParts()
    parts.tell(0, 0, "text", "Hel")
    parts.rest(0, 0, "text", "Hello")
    parts.rest(0, 0, "text", "Hello")
    parts.close((0, 0))
    assert parts.events == [Open(0, "text"), Delta(0, "Hel"), Delta(0, "lo"), Close(0)]


def test_what_comes_after_a_part_was_done_goes_nowhere() -> None:
    parts = StreamParts()
    parts.told.add((0, 0))
    parts.items_done.add(1)
    parts.tell(0, 0, "text", "a")
    parts.rest(0, 0, "text", "a")
    parts.cite(0, 0, RAW)
    parts.tell(1, 0, "text", "a")
    assert parts.events == []


def test_of_a_whole_text_that_is_empty_there_is_no_part() -> None:
    parts = StreamParts()
    parts.rest(0, 0, "text", None)
    assert (parts.events, parts.seen) == ([], False)


def test_a_part_is_begun_after_those_that_were_announced_before_it() -> None:
    parts = StreamParts()
    parts.announced |= {(0, 0): ("reasoning", "rs_1"), (2, 0): ("text", "")}
    parts.tell(1, 0, "refusal", "no")
    assert parts.events == [Open(0, "reasoning", id="rs_1"), Open(1, "refusal"), Delta(1, "no")]
    assert parts.has_refusal
    assert list(parts.announced) == [(2, 0)]


def test_an_opaque_part_is_told_at_once_and_after_all_that_were_announced() -> None:
    parts = StreamParts()
    parts.announced[0, 1] = ("text", "")
    parts.tell_opaque(Opaque("openai_responses", "web_search_call", RAW))
    search = Open(1, "opaque", tag="web_search_call", raw=RAW, dialect="openai_responses")
    assert parts.events == [Open(0, "text"), search, Close(1)]


def test_citations_are_counted_while_their_text_is_open() -> None:
    parts = StreamParts()
    assert parts.citations(0, 0) == 0
    parts.cite(0, 0, RAW)
    assert parts.events == [Open(0, "text"), Cite(0, RAW)]
    assert parts.citations(0, 0) == 1
