from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.citations import NO_QUOTE
from trio_gateway.dialects.conversation import Loss, Losses, Stop, Token, Usage
from trio_gateway.dialects.opaque import carry, recognise
from trio_gateway.dialects.openai_responses.items import (
    ME,
    NO_COUNTERPART,
    annotation_of,
    annotations_of,
    carry_call_id,
    mark_previous,
    mark_redacted,
    read_token,
    status_of,
    stop_of,
    unmark_previous,
    unmark_redacted,
    unread_members,
    usage_of,
    wire_usage,
    write_token,
    written_name,
)
from trio_gateway.errors import InvalidRequest

IDS = st.none() | st.text("abcrs_0123", min_size=1)


@given(IDS, st.text(min_size=1))
def test_our_token_keeps_the_id_that_it_is_bound_to_through_any_foreign_format(item_id: str | None, value: str) -> None:
    token = read_token(item_id, carry(Token(ME, value), ME))
    assert token.issuer == ME
    abroad = recognise(carry(token, "anthropic_messages"), "anthropic_messages")
    assert read_token(*write_token(abroad)) == token
    assert write_token(abroad) == (item_id, carry(Token(ME, value), ME))


@given(st.sampled_from(["anthropic_messages", "gemini"]), st.text(min_size=1))
def test_a_foreign_token_is_kept_for_its_issuer(issuer: str, value: str) -> None:
    item_id, written = write_token(Token(issuer, value))
    assert item_id is None
    assert written == f"trio:{issuer}:{value}"
    assert read_token("rs_1", written) == Token(issuer, value)


def test_marks_of_foreign_tokens_come_off_again() -> None:
    token = Token("anthropic_messages", "c2ln")
    assert unmark_redacted(mark_redacted(token)) == (token, True)
    assert unmark_redacted(token) == (token, False)
    assert unmark_previous(mark_previous(token)) == token
    assert unmark_previous(token) is None


def test_our_own_token_is_never_marked_as_redacted() -> None:
    token = Token(ME, "rs_1:redacted:x")
    assert mark_redacted(token) == token
    assert unmark_redacted(token) == (token, False)


def test_no_name_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        written_name("", "/tools/0")
    assert caught.value.pointer == "/tools/0"


def test_a_long_call_id_becomes_the_same_short_one_every_time() -> None:
    long = "call_" + "x" * 200
    assert carry_call_id("toolu_01.a|b") == "toolu_01.a|b"
    assert carry_call_id(long) == carry_call_id(long)
    assert len(carry_call_id(long)) <= 64
    assert carry_call_id(long) != carry_call_id(long + "y")


def test_citations_of_chat_lose_a_level_of_nesting() -> None:
    chat = Raw(b'{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"title":"T","url":"https://a"}}')
    assert annotation_of(chat) == Raw(
        b'{"type":"url_citation","url":"https://a","title":"T","start_index":1,"end_index":2}'
    )


def test_annotations_of_our_own_stay_byte_for_byte() -> None:
    own = Raw(b'{"type": "file_citation", "file_id":"f","filename":"n","index":0}')
    assert annotation_of(own) is own


@pytest.mark.parametrize("citation", [b'{"type":"char_location"}', b"3", b'{"type":"url_citation","url_citation":{}}'])
def test_other_citations_are_named_as_lost(citation: bytes) -> None:
    losses: Losses = []
    assert annotations_of([Raw(citation)], "/x", losses) == []
    assert [loss.pointer for loss in losses] == ["/x"]


PAGE = {
    "type": "web_search_result_location",
    "url": "https://a",
    "title": "T",
    "cited_text": "w",
    "encrypted_index": "",
}


def test_a_page_that_claude_cites_is_cited_for_the_whole_text() -> None:
    losses: Losses = []
    (annotation,) = annotations_of([Raw(msgspec.json.encode(PAGE))], "/x", losses, 7)
    assert annotation == Raw(b'{"type":"url_citation","url":"https://a","title":"T","start_index":0,"end_index":7}')
    assert losses == [Loss("/x", NO_QUOTE)]


@pytest.mark.parametrize("page", [PAGE | {"title": None}, PAGE | {"url": None}, PAGE | {"url": 3}])
def test_a_page_without_a_title_or_an_address_is_named_as_lost(page: dict[str, object]) -> None:
    losses: Losses = []
    assert annotations_of([Raw(msgspec.json.encode(page))], "/x", losses, 7) == []
    assert losses == [Loss("/x", NO_COUNTERPART)]


@given(st.lists(st.integers(0, 10**9), min_size=5, max_size=5))
def test_known_counts_are_conserved(counts: list[int]) -> None:
    losses: Losses = []
    usage = Usage(*counts)
    written = wire_usage(usage, losses)
    assert written is not None
    assert usage_of(written) == usage
    assert written.total_tokens == counts[0] + counts[1]
    assert losses == []


def test_unknown_counts_are_not_zero() -> None:
    assert wire_usage(None, []) is None
    assert wire_usage(Usage(cached=1), []) is None
    assert usage_of(wire.Usage(3, None, 4, None)) == Usage(3, 4)


def test_a_total_without_one_of_its_halves_is_a_loss() -> None:
    losses: Losses = []
    written = wire_usage(Usage(output=4), losses)
    assert written is not None
    assert written.total_tokens == 4
    assert [loss.pointer for loss in losses] == ["/usage"]


@pytest.mark.parametrize(
    ("status", "reason", "calls", "refusal", "stop"),
    [
        ("completed", None, False, False, "stop"),
        ("completed", None, True, False, "tool_calls"),
        ("completed", None, True, True, "refusal"),
        ("completed", None, False, True, "refusal"),
        ("incomplete", "max_output_tokens", True, False, "length"),
        ("incomplete", "content_filter", True, False, "refusal"),
        ("incomplete", "steered", False, False, "other"),
        ("incomplete", None, False, False, "other"),
        ("something_new", None, False, False, "stop"),
    ],
)
def test_why_it_stopped_is_told_by_status_and_content(
    status: str, reason: str | None, calls: bool, refusal: bool, stop: str
) -> None:
    assert stop_of(status, reason, calls, refusal) == Stop(stop, raw=reason or status)  # type: ignore[arg-type]  # a test's word


@pytest.mark.parametrize(
    ("stop", "refusal", "written"),
    [
        (Stop("stop"), False, ("completed", None)),
        (Stop("tool_calls"), False, ("completed", None)),
        (Stop("length"), False, ("incomplete", "max_output_tokens")),
        (Stop("refusal"), False, ("incomplete", "content_filter")),
        (Stop("refusal"), True, ("completed", None)),
    ],
)
def test_status_says_why_it_stopped(stop: Stop, refusal: bool, written: tuple[str, str | None]) -> None:
    losses: Losses = []
    assert status_of(stop, refusal, losses) == written
    assert losses == []


def test_a_full_context_is_told_as_the_limit_of_output() -> None:
    losses: Losses = []
    assert status_of(Stop("context_window"), False, losses) == ("incomplete", "max_output_tokens")
    assert [loss.pointer for loss in losses] == ["/stop"]


@pytest.mark.parametrize(
    ("stop", "pointer"),
    [
        (Stop("stop_sequence", sequence="END"), "/stop/sequence"),
        (Stop("pause", raw="pause_turn"), "/stop"),
        (None, "/stop"),
    ],
)
def test_a_stop_without_a_counterpart_is_a_loss(stop: Stop | None, pointer: str) -> None:
    losses: Losses = []
    assert status_of(stop, False, losses) == ("completed", None)
    assert [loss.pointer for loss in losses] == [pointer]


def test_unread_members_are_named_with_escaped_pointers_and_told_from_unknown_ones() -> None:
    losses: Losses = []
    raw = Raw(b'{"role":"user","status":"in_progress","a/b~":1,"id":null}')
    unread_members(raw, frozenset({"role"}), wire.Message, "/input/0", losses)
    assert losses == [
        Loss("/input/0/status", "has no counterpart in other dialects"),
        Loss("/input/0/a~1b~0", "unknown to this gateway"),
    ]


def test_a_default_is_no_loss() -> None:
    losses: Losses = []
    raw = Raw(b'{"status":"completed"}')
    unread_members(raw, frozenset(), wire.Message, "", losses, {"status": (Raw(b'"completed"'),)})
    assert losses == []
