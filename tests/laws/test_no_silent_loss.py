"""R4: what a trip there and back changes, a loss has named."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_pair, law
from normal import changed, request_atoms, silent
from rich_requests import rich_requests
from trips import carry, read_request

from trio_gateway.errors import InvalidRequest


@every_pair
@law
@given(st.data())
def test_r04_no_silent_loss(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source))
    try:
        there = carry(body, source, target)
        stream = there.conversation.stream
        back = carry(there.body, target, source, stream=stream)
    except InvalidRequest:
        assume(False)
        return
    between = read_request(target, there.body, stream=stream)
    again = read_request(source, back.body, stream=stream)
    before, after = request_atoms(there.conversation), request_atoms(again)
    unsaid = silent(before, after, there.losses, request_atoms(between), back.losses, target)
    assert not unsaid, (unsaid, changed(before, after)[1], there.losses, back.losses)
