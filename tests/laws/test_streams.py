"""R10 to R13: a stream says what the whole answer says, however it is cut, never too soon, and never a false end."""

from __future__ import annotations

from typing import Any

from answers import answers, frames, malformed, noisy, rechunked, uncut, whole
from hypothesis import given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from normal import answer_form
from trips import CONTEXT, carry_answer, carry_stream, decode_stream, fold_stream, module

from trio_gateway.dialects.events import Cite, Close, Delta, End, Fail, Finish, Open, Sign, fold


@every_dialect
@law
@given(st.data())
def test_r10_a_folded_stream_is_the_plain_answer(name: str, data: st.DataObject) -> None:
    sketch = data.draw(answers())
    stream = data.draw(frames(name, sketch))
    assert answer_form(fold(decode_stream(name, stream), name)) == answer_form(
        module(name).decode_answer(whole(name, sketch))
    )


@every_pair
@law
@given(st.data())
def test_r10_a_translated_stream_folds_to_the_translated_answer(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(answers())
    streamed = fold_stream(target, carry_stream(source, target, data.draw(frames(source, sketch))))
    plain = module(target).decode_answer(carry_answer(source, target, whole(source, sketch))[0])
    assert answer_form(streamed, ids=target != "ollama") == answer_form(plain, ids=target != "ollama")


@every_pair
@law
@given(st.data())
def test_r11_refinement_changes_nothing(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(answers())
    once = fold_stream(target, carry_stream(source, target, uncut(source, sketch)))
    refined = data.draw(noisy(source, data.draw(frames(source, sketch))))
    again = fold_stream(target, carry_stream(source, target, data.draw(rechunked(b"".join(refined)))))
    assert answer_form(again) == answer_form(once)


@every_pair
@law
@given(st.data())
def test_r11_the_bytes_do_not_depend_on_how_the_bytes_came(source: str, target: str, data: st.DataObject) -> None:
    stream = b"".join(data.draw(malformed(source)))
    assert carry_stream(source, target, data.draw(rechunked(stream))) == carry_stream(source, target, [stream])


@every_pair
@law
@given(st.data())
def test_r12_a_prefix_gives_a_prefix_and_text_is_not_held_back(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(answers())
    chunks = data.draw(frames(source, sketch))
    decoder, encoder = module(source).new_answer_decoder(), module(target).new_answer_encoder(_context())
    written, events = b"", []
    for chunk in chunks:
        new = decoder.feed(chunk)
        events += new
        written += encoder.feed(new)
        # What has been written so far, taken for a whole stream, says all the text that has come in so far.
        assert _text(decode_stream(target, [written])) == _text(events)


def _context() -> Any:
    return CONTEXT


def _text(events: list[Any]) -> str:
    kinds = {event.key: event.kind for event in events if isinstance(event, Open)}
    return "".join(event.text for event in events if isinstance(event, Delta) and kinds[event.key] == "text")


@every_pair
@law
@given(st.data())
def test_r13_every_prefix_ends_well_formed_and_only_the_whole_in_success(
    source: str, target: str, data: st.DataObject
) -> None:
    chunks = data.draw(malformed(source) | answers().flatmap(lambda sketch: frames(source, sketch)))
    chunks = chunks[: data.draw(st.integers(0, len(chunks)))]
    events = decode_stream(source, chunks)
    check_grammar(events)
    stream = carry_stream(source, target, chunks)
    assert stream
    told = decode_stream(target, [stream])
    check_grammar(told)
    if isinstance(told[-1], Fail) and told[-1].error.code == "MALFORMED_FUNCTION_CALL":
        # Gemini's own word for an answer that is nothing but a call which cannot be written there.
        assert target == "gemini"
        assert any(isinstance(event, Open) and event.kind == "call" for event in events)
        return
    assert type(told[-1]) is type(events[-1])


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


@every_dialect
@law
@given(st.data())
def test_r13_a_cut_stream_never_ends_in_success(name: str, data: st.DataObject) -> None:
    chunks = data.draw(frames(name, data.draw(answers())))
    terminal = next(place for place, chunk in enumerate(chunks) if any(mark in chunk for mark in TERMINALS[name]))
    events = decode_stream(name, chunks[: data.draw(st.integers(0, terminal))])
    assert isinstance(events[-1], Fail)


# What makes a stream whole. A Chat stream is whole with its finish reason: some servers send no [DONE] after it.
TERMINALS = {
    "openai_chat": (b'"finish_reason":"',),
    "openai_responses": (b'"response.completed"', b'"response.incomplete"'),
    "anthropic_messages": (b'"message_delta"',),
    "gemini": (b'"finishReason"',),
    "ollama": (b'"done":true',),
}
