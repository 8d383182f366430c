"""Members that nobody knows, in events that repeat them: each is found once, and none is missed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects import dialect
from trio_gateway.dialects.unread_events import PLACES_MAX, Events, UnreadOfEvents


class Word(msgspec.Struct):
    text: str = ""


class Told(msgspec.Struct):
    words: list[Word] | None = None
    last: Word | None = None


EVENTS = Events(Told, known=frozenset({("padding",)}))


def found(unread: UnreadOfEvents[Told], event: bytes) -> list[str]:
    """Return what is found in an event, the way decoders ask."""
    try:
        unread.decode(event)
    except msgspec.ValidationError:
        told, members = unread.look(event)
        assert msgspec.json.encode(told) == msgspec.json.encode(msgspec.json.decode(event, type=Told))
        unread.learn(members)
        return [member.pointer for member in members if not member.is_null]
    return []


def test_a_member_is_found_once_and_another_one_later() -> None:
    unread = UnreadOfEvents(EVENTS)
    assert found(unread, b'{"words":[{"text":"a"}],"padding":"xxx"}') == []
    assert found(unread, b'{"words":[{"text":"a"},{"text":"b","mood":{"x":1}}]}') == ["/words/1/mood"]
    assert found(unread, b'{"words":[{"text":"a","mood":2}]}') == []
    assert found(unread, b'{"words":[{"text":"a","mood":2,"tone":3}],"at":[4]}') == ["/words/0/tone", "/at"]
    assert found(unread, b'{"words":[{"text":"a","mood":2,"tone":3}],"at":null}') == []


@given(st.text().filter(lambda name: name not in ("words", "last", "padding")))
@example('a"')
@example("a\\")
@example("a\n")
@example("")
def test_a_member_may_have_any_name(name: str) -> None:
    unread = UnreadOfEvents(EVENTS)
    event = msgspec.json.encode({name: 1, "words": [{"text": "a"}]})
    at = "/" + name.replace("~", "~0").replace("/", "~1")
    assert (found(unread, event), found(unread, event)) == ([at], [])
    assert found(unread, b'{"mood":1}') == ([] if name == "mood" else ["/mood"])


def test_the_same_name_elsewhere_is_another_member() -> None:
    unread = UnreadOfEvents(EVENTS)
    assert found(unread, b'{"words":[{"mood":1}]}') == ["/words/0/mood"]
    assert found(unread, b'{"last":{"mood":1}}') == ["/last/mood"]
    assert found(unread, b'{"mood":1}') == ["/mood"]


def test_a_member_that_is_null_says_nothing_until_it_is_not() -> None:
    unread = UnreadOfEvents(EVENTS)
    assert found(unread, b'{"mood":null}') == []
    assert unread.decode(b'{"mood":null}').words is None
    assert found(unread, b'{"mood":1}') == ["/mood"]
    assert found(unread, b'{"mood":null}') == []


def test_what_somebody_else_searches_is_let_alone() -> None:
    unread = UnreadOfEvents(Events(Told, elsewhere=frozenset({"last"})))
    assert found(unread, b'{"last":{"mood":1}}') == []
    assert unread.decode(b'{"last":{"mood":1}}').last is not None
    assert found(unread, b'{"last":{"mood":1},"words":[{"mood":1}]}') == ["/words/0/mood"]


def test_what_cannot_be_decoded_is_refused_as_ever() -> None:
    unread = UnreadOfEvents(EVENTS)
    assert found(unread, b'{"mood":1}') == ["/mood"]
    for bad in (b'{"words":1,"mood":1}', b'{"words":1,"tone":1}', b"{"):
        with pytest.raises(msgspec.DecodeError):
            found(unread, bad)


def test_events_that_all_have_new_members_are_searched_one_by_one() -> None:
    unread = UnreadOfEvents(EVENTS)
    for number in range(PLACES_MAX + 8):
        assert found(unread, b'{"m%d":1}' % number) == [f"/m{number}"]
    assert found(unread, b'{"m0":1}') == []
    assert found(unread, b'{"m%d":1}' % PLACES_MAX) == [f"/m{PLACES_MAX}"]


def test_what_one_stream_has_learned_another_has_not() -> None:
    one, other = UnreadOfEvents(EVENTS), UnreadOfEvents(EVENTS)
    assert found(one, b'{"mood":1}') == found(other, b'{"mood":1}') == ["/mood"]


def test_many_sets_of_members_are_forgotten_again() -> None:
    for number in range(400):
        unread = UnreadOfEvents(EVENTS)
        assert found(unread, b'{"last":{"n%d":1}}' % number) == [f"/last/n{number}"]
        assert found(unread, b'{"last":{"n%d":1}}' % number) == []


LATER = {  # two events, and where the second one's own member is
    "openai_chat": (
        b'data: {"choices":[{"delta":{"content":"a","mood":1}}],"provider":"p"}\n\n',
        b'data: {"choices":[{"delta":{"content":"b","mood":1},"later":2}],"provider":"p"}\n\n',
        ["/choices/0/delta/mood", "/provider", "/choices/0/later"],
    ),
    "openai_responses": (
        b'data: {"type":"response.output_text.delta","output_index":0,"delta":"a","obfuscation":"x","mood":1}\n\n',
        b'data: {"type":"response.output_text.delta","output_index":0,"delta":"b","mood":1,"later":2}\n\n',
        ["/output/0/mood", "/output/0/later"],
    ),
    "anthropic_messages": (
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""},"mood":1}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b","later":2}}\n\n',
        ["/content/0/mood", "/content/0/later"],
    ),
    "gemini": (
        b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"mood":1}]}\n\n',
        b'data: {"candidates":[{"content":{"parts":[{"text":"b"}]},"mood":1}],"later":2}\n\n',
        ["/candidates/0/mood", "/later"],
    ),
    "ollama": (
        b'{"model":"m","message":{"role":"assistant","content":"a","mood":1},"done":false}\n',
        b'{"model":"m","message":{"role":"assistant","content":"b","mood":1},"later":2,"done":false}\n',
        ["/message/mood", "/later"],
    ),
}


@pytest.mark.parametrize("name", LATER)
def test_every_dialect_names_what_comes_in_a_later_event(name: str) -> None:
    decoder = dialect(name).new_answer_decoder()
    first, second, pointers = LATER[name]
    for event in (first, second, second):
        decoder.feed(event)
    assert [loss.pointer for loss in decoder.losses] == pointers
