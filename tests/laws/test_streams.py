"""R10 to R13: a stream says what the whole answer says, however it is cut, never too soon, and never a false end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from answer_streams import noisy, rechunked
from hypothesis import given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from normal import answer_form
from rich_answers import any_answers, frames, malformed, uncut, whole
from trips import CONTEXT, carry_answer, carry_stream, decode_stream, fold_stream, module
from values import dumps

from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.carriage import ChatCarriage, Load
from trio_gateway.dialects.conversation import Answer
from trio_gateway.dialects.envelope import Envelope
from trio_gateway.dialects.events import AnswerEvent, Cite, Close, Delta, End, Fail, Finish, Open, Sign, fold
from trio_gateway.errors import UpstreamError


@every_dialect
@law
@given(st.data())
def test_r10_a_folded_stream_is_the_plain_answer(name: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(name))
    stream = data.draw(frames(name, sketch))
    assert answer_form(fold(decode_stream(name, stream), name)) == answer_form(
        module(name).decode_answer(whole(name, sketch))
    )


@every_pair
@law
@given(st.data())
def test_r10_a_translated_stream_folds_to_the_translated_answer(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(source))
    stream = carry_stream(source, target, data.draw(frames(source, sketch)))
    plain = carry_answer(source, target, whole(source, sketch))[0]
    streamed = told(target, lambda: fold_stream(target, stream))
    assert streamed == told(target, lambda: module(target).decode_answer(plain))


def told(target: str, read: Callable[[], Answer]) -> Any:
    """Return what a client of `target` is told: an answer's normal form, or an error. See R10 about both exceptions."""
    try:
        return answer_form(read(), ids=target != "ollama", wraps=target == "anthropic_messages")
    except UpstreamError as error:
        return (type(error).__name__, str(error))


@every_pair
@law
@given(st.data())
def test_r11_refinement_changes_nothing(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(source))
    once = carry_stream(source, target, uncut(source, sketch))
    refined = data.draw(noisy(source, data.draw(frames(source, sketch))))
    again = carry_stream(source, target, data.draw(rechunked(b"".join(refined))))
    assert told(target, lambda: fold_stream(target, again)) == told(target, lambda: fold_stream(target, once))


@every_pair
@law
@given(st.data())
def test_r11_the_bytes_do_not_depend_on_how_the_bytes_came(source: str, target: str, data: st.DataObject) -> None:
    stream = b"".join(data.draw(malformed(source)))
    assert carry_stream(source, target, data.draw(rechunked(stream))) == carry_stream(source, target, [stream])


PASSAGES = [*((name, False) for name in DIALECTS), ("gemini", True)]


@pytest.mark.parametrize(("name", "array"), PASSAGES, ids=[f"{name}-array" * array or name for name, array in PASSAGES])
@law
@given(st.data())
def test_r11_the_same_dialect_passes_the_same_bytes_however_they_came(
    name: str, array: bool, data: st.DataObject
) -> None:
    chunks = data.draw(malformed(name) | any_answers(name).flatmap(lambda sketch: frames(name, sketch)))
    stream = b"".join(chunks)
    together = passed(name, [stream], array=array)
    assert passed(name, chunks, array=array) == together
    assert passed(name, data.draw(rechunked(stream)), array=array) == together


@every_dialect
@law
@given(st.data())
def test_r11_what_is_whole_passes_byte_for_byte_and_before_what_is_broken(name: str, data: st.DataObject) -> None:
    chunks = data.draw(frames(name, data.draw(any_answers(name))))
    stream = b"".join(chunks)
    assert passed(name, data.draw(rechunked(stream)))[0] == stream
    kept = data.draw(st.integers(0, len(chunks) - 1))
    whole, broken = b"".join(chunks[:kept]), BROKEN[name]
    told, begun, ended, error, _ = passed(name, data.draw(rechunked(whole + broken)))
    assert ended
    assert begun == bool(told)
    if begun and error is not None:
        assert told.startswith(whole)
        assert broken not in told


BROKEN = {name: b"{broken}\n" if name == "ollama" else b'data: {"error":broken}\n\n' for name in DIALECTS}


def passed(name: str, chunks: list[bytes], *, array: bool = False) -> tuple[bytes, bool, bool, str | None, object]:
    """Return what a client is sent, and what is known of it, of a stream between two sides of one dialect."""
    asked: dict[str, Any] = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 9}
    asked |= {"messages": [{"role": "user", "content": "x"}], "input": "x"}
    if name == "gemini":
        asked = {"contents": [{"parts": [{"text": "x"}]}]}
    in_url = Envelope("m", stream=True, array=array) if name == "gemini" else None
    carriage = ChatCarriage(name, dumps(asked), in_url)
    carriage.load(Load(dialect=name, model="m", capabilities=Capabilities(), id="i", created=1))
    passage = carriage.open_stream(str)
    told = b"".join([*map(passage.feed, chunks), passage.close()])
    return told, passage.begun, passage.ended, passage.error and passage.error.message, passage.usage


@every_pair
@law
@given(st.data())
def test_r12_a_prefix_gives_a_prefix_and_text_is_not_held_back(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(source))
    chunks = data.draw(frames(source, sketch))
    decoder, encoder = module(source).new_answer_decoder(), module(target).new_answer_encoder(CONTEXT)
    written, events = b"", []
    for chunk in chunks:
        new = decoder.feed(chunk)
        events += new
        written += encoder.feed(new)
        # What has been written so far, taken for a whole stream, says all that has come in so far.
        expected, found = Heard(events), Heard(decode_stream(target, [written]))
        check_texts(target, expected, found)
        check_arguments(target, expected.calls, found.calls)


class Heard:
    """What the events of a stream have said so far: texts by choice and kind, and calls by choice, in their order."""

    def __init__(self, events: list[AnswerEvent]) -> None:
        self.texts: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        self.calls: defaultdict[int, list[Call]] = defaultdict(list)
        self.details: dict[int, str] = {}
        calls: dict[int, Call] = {}
        places: dict[int, tuple[int, str]] = {}
        for event in events:
            if isinstance(event, Open) and event.kind in ("call", "custom_call"):
                self.calls[event.choice].append(calls.setdefault(event.key, Call(event.kind)))
            elif isinstance(event, Open):
                places[event.key] = (event.choice, event.kind)
                self.texts[event.choice, event.kind].append("")
            elif isinstance(event, Delta) and event.key in calls:
                calls[event.key].arguments += event.text
            elif isinstance(event, Delta):
                self.texts[places[event.key]][-1] += event.text
            elif isinstance(event, Close) and event.key in calls:
                calls[event.key].closed = True
            elif isinstance(event, Finish) and event.stop.reason == "refusal" and event.stop.detail:
                self.details[event.choice] = event.stop.detail

    def text(self, choice: int, kind: str, between: str = "") -> str:
        return between.join(filter(None, self.texts[choice, kind]))


@dataclass
class Call:
    kind: str
    arguments: str = ""
    closed: bool = False


_ONE_CHOICE = frozenset({"openai_responses", "anthropic_messages", "ollama"})
_HAS_REFUSALS = frozenset({"openai_chat", "openai_responses"})


def check_texts(target: str, expected: Heard, found: Heard) -> None:
    """Hold what has been told to what has come in: in the target's words, and for the choices that it has."""
    choices = {choice for choice, _ in expected.texts} | set(expected.details)
    for choice in choices & {0} if target in _ONE_CHOICE else choices:
        thoughts = expected.text(choice, "reasoning", "\n\n" if target == "ollama" else "")
        assert found.text(choice, "reasoning") == thoughts
        text, refusal = expected.text(choice, "text"), expected.text(choice, "refusal")
        if target not in _HAS_REFUSALS:
            # A refusal is text there, in its place among the texts: as many characters, and none of another kind.
            assert sorted(found.text(choice, "text")) == sorted(text + refusal)
            continue
        assert found.text(choice, "text") == text
        explained = expected.details.get(choice, "") if target == "openai_chat" and not refusal else ""
        assert found.text(choice, "refusal") == refusal + explained


def check_arguments(target: str, expected: dict[int, list[Call]], found: dict[int, list[Call]]) -> None:
    """Hold fragments of arguments to what has come in, where the target takes fragments."""
    if target in ("gemini", "ollama"):
        return
    for choice, calls in expected.items():
        if choice and target in _ONE_CHOICE:
            continue
        for place, call in enumerate(calls):
            if call.arguments and (call.kind == "call" or target != "anthropic_messages"):
                assert found[choice][place].arguments == call.arguments
            if target == "anthropic_messages" and not call.closed:
                break  # one at a time: those behind it wait


@every_pair
@law
@given(st.data())
def test_r13_every_prefix_ends_well_formed_and_only_the_whole_in_success(
    source: str, target: str, data: st.DataObject
) -> None:
    chunks = data.draw(malformed(source) | any_answers(source).flatmap(lambda sketch: frames(source, sketch)))
    chunks = chunks[: data.draw(st.integers(0, len(chunks)))]
    events = decode_stream(source, chunks)
    check_grammar(events)
    stream = carry_stream(source, target, chunks)
    assert stream
    found = decode_stream(target, [stream])
    check_grammar(found)
    assert type(found[-1]) is type(events[-1]) or is_silent_fault(target, events, found)


def is_silent_fault(target: str, events: list[AnswerEvent], found: list[AnswerEvent]) -> bool:
    """Say whether an answer that ended well is left with nothing and no good reason, which in Gemini is a fault.

    It said nothing, and not why; or nothing but calls that cannot be written there.
    """
    if target != "gemini" or not isinstance(events[-1], End) or any(isinstance(event, Open) for event in found):
        return False
    if isinstance(found[-1], Fail) and found[-1].error.code == "MALFORMED_FUNCTION_CALL":
        return any(isinstance(event, Open) and event.kind == "call" for event in events)
    return any(isinstance(event, Finish) and event.stop.reason in ("other", "error") for event in events)


def check_grammar(events: list[Any]) -> None:
    """Hold a stream's events to the grammar: keys, at most one Finish a choice, one End or Fail, and it is the last."""
    open_, seen, finished = set(), set(), set()
    assert events
    assert isinstance(events[-1], End | Fail)
    for event in events[:-1]:
        assert not isinstance(event, End | Fail)
        if isinstance(event, Open):
            assert event.key not in seen
            assert event.choice not in finished
            seen.add(event.key)
            open_.add(event.key)
        elif isinstance(event, Delta | Sign | Cite):
            assert event.key in open_
            assert not isinstance(event, Delta) or event.text
        elif isinstance(event, Close):
            open_.remove(event.key)
        elif isinstance(event, Finish):
            assert event.choice not in finished
            finished.add(event.choice)
    assert isinstance(events[-1], Fail) or not open_


def draw_cut(data: st.DataObject, name: str) -> list[bytes]:
    """Draw the beginning of a stream that lacks its terminal marker."""
    chunks = data.draw(frames(name, data.draw(any_answers(name))))
    terminal = next(place for place, chunk in enumerate(chunks) if any(mark in chunk for mark in TERMINALS[name]))
    return chunks[: data.draw(st.integers(0, terminal))]


@every_dialect
@law
@given(st.data())
def test_r13_a_cut_stream_never_ends_in_success(name: str, data: st.DataObject) -> None:
    events = decode_stream(name, draw_cut(data, name))
    assert isinstance(events[-1], Fail)


@every_dialect
@law
@given(st.data())
def test_r13_a_stream_that_passes_and_is_cut_ends_as_one_that_failed(name: str, data: st.DataObject) -> None:
    cut = b"".join(draw_cut(data, name))
    told, begun, ended, error, _ = passed(name, data.draw(rechunked(cut)))
    assert ended
    assert error is not None
    assert begun == bool(told)
    if not begun:
        return
    assert told.startswith(cut)
    assert isinstance(decode_stream(name, [told])[-1], Fail)
    if name == "openai_responses":
        own = [frame.split(b"\n")[0] for frame in told[len(cut) :].split(b"\n\n")[:-1]]
        has_response = any(mark in cut for mark in (b'"response.created"', b'"response.in_progress"'))
        assert own == [b"event: error", *[b"event: response.failed"] * has_response]


# What makes a stream whole. A Chat stream is whole with its finish reason: some servers send no [DONE] after it.
TERMINALS = {
    "openai_chat": (b'"finish_reason":"',),
    "openai_responses": (b'"response.completed"', b'"response.incomplete"'),
    "anthropic_messages": (b'"message_delta"',),
    "gemini": (b'"finishReason"',),
    "ollama": (b'"done":true',),
}


# The status that stands for another one where a stream's errors have no word for it. Ollama's have none at all.
NEAREST: dict[str, dict[int, int]] = {
    "openai_chat": {402: 429, 408: 504, 413: 400, 422: 400, 529: 503},
    "openai_responses": {402: 429, 408: 504, 422: 400, 529: 503},
    "anthropic_messages": {408: 504, 422: 400, 502: 500, 503: 529},
    "gemini": {529: 503},
    "ollama": {},
}
IN_STREAMS = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)


def nearest(name: str, status: int) -> int:
    return 502 if name == "ollama" else NEAREST[name].get(status, status)


@every_pair
@law
@given(st.data(), st.sampled_from(IN_STREAMS))
def test_r17_an_error_in_a_stream_keeps_status_retryability_and_message_and_ends_it(
    source: str, target: str, data: st.DataObject, status: int
) -> None:
    chunks = data.draw(frames(source, data.draw(any_answers(source))))
    broken = chunks[: data.draw(st.integers(0, len(chunks) // 2))]
    error = UpstreamError("It is all over.", status=status)
    stream = [*broken, module(source).encode_stream_error(error)]
    read = decode_stream(source, stream)[-1]
    if isinstance(read, End):  # the answer was whole before
        return
    last = decode_stream(target, [carry_stream(source, target, stream)])[-1]
    assert isinstance(read, Fail)
    assert isinstance(last, Fail)
    assert "It is all over." in last.error.message
    assert read.error.status == nearest(source, status)
    # A quota that is used up is a 429 that is not worth another try. Anthropic's word for it is of another status,
    # and Gemini has none.
    used_up = read.error.status == 429 and not read.error.retryable
    is_billed = used_up and target == "anthropic_messages"
    assert last.error.status == (402 if is_billed else nearest(target, read.error.status))
    if source != "ollama":
        assert read.error.retryable == error.retryable
    if target != "ollama" and not (used_up and target == "gemini"):
        assert last.error.retryable == read.error.retryable
