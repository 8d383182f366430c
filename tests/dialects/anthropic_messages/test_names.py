import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects.anthropic_messages.names import carry_id, carry_name, recognise_id, recognise_name
from trio_gateway.errors import InvalidRequest

TRICKY = st.text(st.sampled_from("ab_x0F./-é2E5D"), min_size=1, max_size=12)


@given(TRICKY | st.text(min_size=1, max_size=12), st.booleans())
@example("a-x0_", False)
@example("a_x2D_x0_", False)
@example("_x5F", True)
@example("_x0/", False)
def test_a_name_comes_back_as_it_was_and_fits_in_between(name: str, custom: bool) -> None:
    carried = carry_name(name, "", custom)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", carried)
    assert recognise_name(carried) == (name, custom)


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
def test_foreign_ids_and_names_are_read_without_an_error(text: str) -> None:
    recognise_id(text)
    recognise_name(text)


def test_a_fitting_name_or_id_is_not_touched() -> None:
    assert carry_name("get_weather-2", "") == "get_weather-2"
    assert carry_id("toolu_01AbC") == "toolu_01AbC"


def test_names_that_would_collide_when_cleaned_stay_apart() -> None:
    names = ["a.b", "a_b", "a/b", "a_x2E_b", "a b"]
    assert len({carry_name(name, "") for name in names}) == len(names)


@pytest.mark.parametrize("name", ["", "n" * 129, "é" * 40])
def test_a_name_that_cannot_fit_is_refused_at_its_pointer(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        carry_name(name, "/tools/3")
    assert caught.value.pointer == "/tools/3"
