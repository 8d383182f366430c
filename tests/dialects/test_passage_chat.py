"""A stream that passes between two sides that both speak Chat: together, apart, or split anywhere, it is the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.conversation import Usage
from trio_gateway.dialects.passage_chat import ChatStream
from trio_gateway.errors import UpstreamError

ROLE = (
    b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}\n\n'
)
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}],"usage":null}\n\n'
TOLD = b'data: {"choices":[{"index":0,"delta":{"content":"an \\"error\\" [DONE]"},"finish_reason":null}]}\n\n'
COMMENT = b": still here\n\n"
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'

FRAMES = st.lists(st.sampled_from([ROLE, WORD, TOLD, COMMENT, FINISH, USAGE, DONE, ERROR]), max_size=12)


def relayed(chunks: list[bytes], *, hide_usage: bool = True) -> tuple[bytes, ChatStream]:
    passage = ChatStream(hide_usage)
    sent = b"".join(passage.feed(chunk) for chunk in chunks)
    return sent + passage.close(), passage


def outcome(passage: ChatStream) -> tuple[object, ...]:
    error: UpstreamError | None = passage.error
    return passage.begun, passage.ended, passage.usage, error and error.message


@given(FRAMES, st.booleans())
def test_events_that_come_together_pass_as_those_that_come_one_by_one(frames: list[bytes], hide_usage: bool) -> None:
    together, one = relayed([b"".join(frames)], hide_usage=hide_usage)
    apart, other = relayed(frames, hide_usage=hide_usage)

    assert together == apart
    assert outcome(one) == outcome(other)


@given(FRAMES, st.data())
def test_where_a_stream_is_split_makes_no_difference(frames: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))

    assert relayed([whole[:cut], whole[cut:]])[0] == relayed([whole])[0]


def test_usage_that_only_the_gateway_asked_for_is_read_and_removed_from_the_midst_of_a_batch() -> None:
    sent, passage = relayed([ROLE + WORD * 3 + FINISH + USAGE + DONE])

    assert sent == ROLE + WORD * 3 + FINISH + DONE
    assert passage.usage == Usage(3, 5)


def test_an_error_in_the_midst_of_a_batch_is_the_last_thing_that_passes() -> None:
    sent, passage = relayed([ROLE + WORD, WORD + ERROR + WORD + DONE])

    assert sent == ROLE + WORD + WORD + ERROR
    assert passage.error is not None
    assert "overloaded" in passage.error.message


def test_words_that_look_like_an_end_or_an_error_are_words() -> None:
    sent, passage = relayed([ROLE + WORD + TOLD + WORD + FINISH + DONE])

    assert sent == ROLE + WORD + TOLD + WORD + FINISH + DONE
    assert passage.error is None


def test_lines_that_end_in_crlf_are_looked_at_alike() -> None:
    crlf = (ROLE + WORD + USAGE + FINISH + DONE).replace(b"\n", b"\r\n")

    sent, passage = relayed([crlf])

    assert sent.replace(b"\r\n", b"\n") == ROLE + WORD + FINISH + DONE
    assert passage.usage == Usage(3, 5)


CRLF = st.lists(st.sampled_from([ROLE, WORD, FINISH, USAGE, COMMENT, ERROR, DONE, b"\n"]), max_size=8)


@given(CRLF, st.booleans(), st.lists(st.integers(1, 120), max_size=9))
def test_line_ends_are_left_as_they_are_and_cuts_anywhere_make_no_difference(
    frames: list[bytes], hide_usage: bool, sizes: list[int]
) -> None:
    whole = b"".join(frames).replace(b"\n", b"\r\n")
    together, _ = relayed([whole], hide_usage=hide_usage)
    ends = [sum(sizes[:count]) for count in range(len(sizes) + 1)]
    assert (
        relayed([whole[a:b] for a, b in zip(ends, [*ends[1:], len(whole)], strict=True)], hide_usage=hide_usage)[0]
        == together
    )


def test_a_frame_is_looked_at_for_what_it_says_whatever_came_with_it() -> None:
    unread = b"data: {an ordinary one that is broken\n\n"
    apart, _ = relayed([ROLE + WORD, FINISH, unread, DONE])
    together, _ = relayed([ROLE + WORD + FINISH + unread + DONE])
    assert apart == together == ROLE + WORD + FINISH + unread + DONE


def test_a_last_chunk_that_is_cut_off_does_not_pass() -> None:
    sent, passage = relayed([ROLE + WORD, WORD[:40]])
    assert sent.startswith(ROLE + WORD + b'data: {"error"')
    assert passage.error is not None
    assert relayed([ROLE + WORD + FINISH, USAGE[:40]])[0] == ROLE + WORD + FINISH + DONE
    assert relayed([ROLE + WORD + FINISH, USAGE.strip()], hide_usage=False)[0] == ROLE + WORD + FINISH + USAGE + DONE
