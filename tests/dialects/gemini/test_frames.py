from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.readers import cut, fed
from trio_gateway.dialects.gemini.frames import FrameDecoder, ObjectSplitter
from trio_gateway.errors import UpstreamBroke


def frames(*chunks: bytes) -> list[bytes]:
    return fed(FrameDecoder(), *chunks)


OBJECTS = st.lists(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
        st.recursive(
            st.text(st.sampled_from('a{}[]",\\\n\u2028é')) | st.integers(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("a{", max_size=2), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=3,
    ),
    max_size=4,
)
PLACES = st.lists(st.integers(0, 5000), max_size=6)


@given(OBJECTS, PLACES, st.sampled_from([None, 2]))
def test_an_array_gives_its_objects_wherever_it_is_cut(
    objects: list[dict[str, object]], places: list[int], indent: int | None
) -> None:
    data = json.dumps(objects, ensure_ascii=False, indent=indent).encode()
    assert [json.loads(frame) for frame in frames(*cut(data, places))] == objects


@given(OBJECTS, PLACES, st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]))
def test_events_give_their_objects_wherever_they_are_cut(
    objects: list[dict[str, object]], places: list[int], end: str
) -> None:
    data = "".join(f"data: {json.dumps(one, ensure_ascii=False)}{end}" for one in objects).encode()
    assert [json.loads(frame) for frame in frames(*cut(data, places))] == objects


@given(PLACES, st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]), st.booleans())
def test_an_error_without_a_frame_is_found_after_events(places: list[int], end: str, in_array: bool) -> None:
    error = {"error": {"code": 503, "message": "a {\n} b", "status": "UNAVAILABLE"}}
    text = json.dumps([error] if in_array else error, indent=2)
    data = f'data: {{"a":1}}{end}data: {{"b":2}}{end}{text}\n'.encode()
    assert [json.loads(frame) for frame in frames(*cut(data, places))] == [{"a": 1}, {"b": 2}, error]


@given(PLACES)
def test_every_byte_of_a_bom_or_blank_space_before_the_first_frame_is_passed_over(places: list[int]) -> None:
    for start in (b"\xef\xbb\xbf", b" \n\n", b"\xef\xbb\xbf\n"):
        assert frames(*cut(start + b'[{"a":1}]', places)) == [b'{"a":1}']
    assert frames(*cut(b'\xef\xbb\xbfdata: {"a":1}\n\n', places)) == [b'{"a":1}']


def test_an_item_is_told_as_soon_as_it_is_whole() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b'[{"a":1}') == [b'{"a":1}']
    assert decoder.feed(b',\r\n{"b":"}') == []
    assert decoder.feed(b'\\"}"}]') == [b'{"b":"}\\"}"}']


def test_the_first_error_frame_is_found_at_the_very_beginning() -> None:
    assert frames(b'{\n"error": {}\n}') == [b'{\n"error": {}\n}']


def test_an_event_without_a_blank_line_is_told_at_the_end() -> None:
    assert frames(b'data: {"a":1}\n') == [b'{"a":1}']


def test_a_html_page_holds_no_frame_and_is_kept_to_be_quoted() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"<html><h1>502 Bad") == []
    assert decoder.close() == []
    assert decoder.seen == b"<html><h1>502 Bad"


def test_comments_and_names_of_events_are_passed_over() -> None:
    assert frames(b": keep-alive\n\nevent: x\ndata:{}\n\n") == [b"{}"]


def test_an_object_without_end_is_the_sender_s_fault() -> None:
    splitter = ObjectSplitter(max_bytes=100)
    with pytest.raises(UpstreamBroke):
        splitter.feed(b'[{"a":"' + b"x" * 200)


def test_what_is_between_objects_is_not_kept() -> None:
    splitter = ObjectSplitter(max_bytes=100)
    for _ in range(100):
        assert splitter.feed(b", \n" * 30) == []
    assert splitter.feed(b"{}") == [b"{}"]


def test_a_large_string_in_small_pieces_is_looked_at_once() -> None:
    splitter = ObjectSplitter()
    piece = b"A" * 1000
    splitter.feed(b'[{"data":"')
    for _ in range(3000):
        assert splitter.feed(piece) == []
    (found,) = splitter.feed(b'"}]')
    assert len(found) == len(b'{"data":""}') + 3_000_000


@given(PLACES)
def test_what_an_error_quotes_does_not_depend_on_how_it_came(places: list[int]) -> None:
    data = b"ddata: " + b"x" * 400 + b"\r\n\r\n"
    decoder = FrameDecoder()
    assert [frame for chunk in cut(data, places) for frame in decoder.feed(chunk)] == []
    assert decoder.seen == data[:300]
