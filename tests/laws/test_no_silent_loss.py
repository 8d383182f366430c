"""R4: what a trip there and back changes, a loss has named."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_pair, law
from normal import changed, request_atoms, silent
from rich_requests import rich_requests
from trips import carry

from trio_gateway.errors import InvalidRequest


@every_pair
@law
@given(st.data())
def test_r04_no_silent_loss(source: str, target: str, data: st.DataObject) -> None:
    check(source, target, data.draw(rich_requests(source)))


def check(source: str, target: str, body: bytes) -> None:
    try:
        there = carry(body, source, target)
        back = there.back(source)
    except InvalidRequest:
        assume(False)
        return
    before, after = request_atoms(there.conversation), request_atoms(back.arrived())
    unsaid = silent(before, after, there.losses, request_atoms(back.conversation), back.losses, target)
    assert not unsaid, (unsaid, changed(before, after)[1], there.losses, back.losses)


# What the law has found.
FOUND = [
    ("ollama", "gemini", b'{"model":"a-model","messages":[{"role":"user","content":"a"}],"think":true}'),
    ("openai_responses", "ollama", b'{"model":"a-model","input":"a","reasoning":{"summary":"auto"}}'),
    (
        "openai_responses",
        "openai_chat",
        (
            b'{"model":"a-model","input":[{"role":"user","content":"a"},{"type":"function_call","call_id":"c","name":"a.b/c",'
            b'"arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"}]}'
        ),
    ),
    (
        "openai_chat",
        "openai_responses",
        (
            b'{"model":"a-model","messages":[{"role":"user","content":"a"}],'
            b'"tools":[{"type":"function","function":{"name":"a.b/c"}}]}'
        ),
    ),
    (
        "anthropic_messages",
        "gemini",
        b'{"model":"a-model","max_tokens":99999,"messages":[{"role":"user","content":"a"}],"output_config":{"effort":"max"}}',
    ),
    (
        "gemini",
        "openai_chat",
        (
            b'{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}],'
            b'"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["g","h"]}}}'
        ),
    ),
    (
        "ollama",
        "gemini",
        (
            b'{"model":"a-model","messages":[{"role":"assistant","content":"","thinking":"a"},'
            b'{"role":"assistant","content":"","thinking":"b"}]}'
        ),
    ),
]


@pytest.mark.parametrize(("source", "target", "body"), FOUND)
def test_r04_holds_for_what_it_has_found(source: str, target: str, body: bytes) -> None:
    check(source, target, body)
