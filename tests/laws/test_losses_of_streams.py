"""R4, for streams: they lose what the plain answer with the same content loses, and say so."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from rich_answers import any_answers, frames, whole
from trips import module

from trio_gateway import AnswerTranslator, translate_answer
from trio_gateway.dialects.anthropic_messages.blocks import WRAPPED
from trio_gateway.dialects.conversation import Losses


@every_pair
@law
@given(st.data())
def test_r04_a_stream_loses_what_the_plain_answer_loses(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(source))
    translator = AnswerTranslator(source, target)
    for chunk in data.draw(frames(source, sketch)):
        translator.feed(chunk)
    translator.close()
    streamed = {loss.reason for loss in translator.losses}
    plain = {loss.reason for loss in translate_answer(whole(source, sketch), source, target).losses}
    # Fragments of arguments pass before it is known that they are no object: nothing is wrapped in a stream.
    assert streamed == plain - {WRAPPED}


@every_dialect
@law
@given(st.data())
def test_r04_what_is_unread_of_a_stream_is_where_it_is_in_the_plain_answer(name: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(name))
    decoder = module(name).new_answer_decoder()
    for chunk in data.draw(frames(name, sketch)):
        decoder.feed(chunk)
    decoder.close()
    assert _places(decoder.losses) == _places(module(name).decode_answer(whole(name, sketch)).unread)


def _places(losses: Losses) -> set[tuple[str, str]]:
    """Return pointers and reasons. How many there are in a chunk, and not in the answer, is what a position says."""
    return {(re.sub(r"/\d+", "/*", loss.pointer).replace("/delta", "/message"), loss.reason) for loss in losses}
