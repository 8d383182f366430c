"""R4, for answers: what a translated answer leaves out, a loss has named."""

from __future__ import annotations

import json

from answer_atoms import answer_atoms, unsaid
from hypothesis import given
from hypothesis import strategies as st
from lawbook import every_pair, law
from normal import within
from rich_answers import any_answers, planted, whole
from trips import carry_answer, module

from trio_gateway.errors import UpstreamError


@every_pair
@law
@given(st.data())
def test_r04_no_answer_loses_anything_in_silence(source: str, target: str, data: st.DataObject) -> None:
    body = whole(source, data.draw(any_answers(source)))
    answer = module(source).decode_answer(body)
    written, losses = carry_answer(source, target, body)
    try:
        after = answer_atoms(module(target).decode_answer(written))
    except UpstreamError:  # an answer that says nothing, and not why: see R10
        return
    assert not unsaid(answer_atoms(answer), after, losses), losses


@every_pair
@law
@given(st.data())
def test_r04_what_nobody_knows_of_an_answer_is_named(source: str, target: str, data: st.DataObject) -> None:
    body = whole(source, data.draw(any_answers(source)))
    _, losses = carry_answer(source, target, body)
    for at in planted(json.loads(body)):
        assert any(within(at, loss.pointer) for loss in losses), (at, losses)
    assert all(loss.pointer.startswith("/") for loss in losses), losses
