from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.simulator.script import cut


@given(st.text(), st.integers(1, 40))
def test_the_pieces_of_a_cut_add_up_and_none_is_empty(text: str, pieces: int) -> None:
    parts = cut(text, pieces)
    assert "".join(parts) == text
    assert all(parts)
    assert len(parts) <= pieces
    if len(text) >= pieces and " " not in text:
        assert len(parts) == pieces


def test_a_cut_prefers_the_spaces() -> None:
    assert cut("one two three four", 2) == ("one two", " three four")
    assert cut("one two", 7) == ("o", "n", "e", " ", "t", "w", "o")
