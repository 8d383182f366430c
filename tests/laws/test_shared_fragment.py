"""R1, R2 and R5: what two dialects share survives the trip between them, there and back, and by any way."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from normal import DONE_ANYWAY, Atom, changed, request_atoms
from shared_requests import WRITE, shared_requests, sketches
from trips import carry, read_request
from values import dumps

from trio_gateway.dialects import DIALECTS


@every_pair
@law
@given(st.data())
def test_r02_the_shared_fragment_survives_there_and_back_without_a_loss(
    source: str, target: str, data: st.DataObject
) -> None:
    body = data.draw(shared_requests(source, target))
    there = carry(body, source, target)
    assert there.losses == []
    back = there.back(source)
    assert back.losses == []
    gone, new = changed(request_atoms(there.conversation), request_atoms(back.arrived()))
    assert (gone, _unless_done_anyway(new, target)) == ([], [])


def _unless_done_anyway(new: list[Atom], passed: str) -> list[Atom]:
    """Return what is new but for what the dialect that was passed does in any case, and has therefore said."""
    return [atom for atom in new if (atom.says, passed) not in DONE_ANYWAY]


TRIPLES = list(permutations(DIALECTS, 3))
every_triple = pytest.mark.parametrize(
    ("source", "over", "target"), TRIPLES, ids=[f"{one}-over-{two}-to-{three}" for one, two, three in TRIPLES]
)


@every_triple
@law
@given(st.data())
def test_r05_the_way_over_a_third_dialect_gives_the_same(
    source: str, over: str, target: str, data: st.DataObject
) -> None:
    """Whatever all three can hold is the same by either way."""
    body = dumps(WRITE[source](data.draw(sketches(source, over, target))))
    direct, first = carry(body, source, target), carry(body, source, over)
    stream = direct.conversation.stream
    second = carry(first.body, over, target, stream=stream)
    over_there, at_once = (request_atoms(read_request(target, trip.body, stream=stream)) for trip in (second, direct))
    gone, new = changed(at_once, over_there)
    losses = second.losses
    if source == "ollama" and "openai_chat" in (over, target):
        # To think and to show it are one word of Ollama's, of which Chat has half; the third has a word for the other.
        gone = [atom for atom in gone if atom.says != _SHOWN]
        losses = [loss for loss in losses if loss.pointer not in _SHOWN_AT]
    assert direct.losses == first.losses == losses == []
    assert (gone, _unless_done_anyway(new, over)) == ([], [])


_SHOWN = ("show thoughts", True)
_SHOWN_AT = frozenset({"/thinking/display", "/generationConfig/thinkingConfig/includeThoughts", "/reasoning/summary"})


@every_dialect
@law
@given(st.data())
def test_r01_the_normal_form_is_one(name: str, data: st.DataObject) -> None:
    """What a dialect writes of its own request is in normal form: written once more it stays as it is."""
    body = data.draw(shared_requests(name, data.draw(st.sampled_from(DIALECTS))))
    stream = data.draw(st.booleans()) if name == "gemini" else False
    once = carry(body, name, name, stream=stream)
    twice = carry(once.body, name, name, stream=stream)
    assert twice.body == once.body
    assert request_atoms(twice.conversation) == request_atoms(once.conversation) or changed(
        request_atoms(once.conversation), request_atoms(twice.conversation)
    ) == ([], [])


@every_pair
@law
@given(st.data())
def test_r01_a_target_is_sent_the_same_for_a_request_and_its_normal_form(
    source: str, target: str, data: st.DataObject
) -> None:
    body = data.draw(shared_requests(source, target))
    normal = carry(body, source, source)
    direct = carry(body, source, target)
    assert json.loads(carry(normal.body, source, target, stream=direct.conversation.stream).body) == json.loads(
        direct.body
    )
