import re

from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects.anthropic_messages.names import carry_id, recognise_id

TRICKY = st.text(st.sampled_from("ab_x0F./-é2E5D"), min_size=1, max_size=12)


@given(TRICKY | st.text())
@example("trio-")
@example("")
@example("call:1.2|3")
def test_an_id_comes_back_as_it_was_and_fits_in_between(id_: str) -> None:
    carried = carry_id(id_)
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", carried)
    assert recognise_id(carried) == id_


@given(st.text())
@example("trio-!!!")
@example("trio-_w")
def test_foreign_ids_are_read_without_an_error(text: str) -> None:
    recognise_id(text)


def test_a_fitting_id_is_not_touched() -> None:
    assert carry_id("toolu_01AbC") == "toolu_01AbC"
