from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects.gemini.names import (
    carry_name,
    digest,
    recognise_name,
    synthesise_id,
    wire_id,
)
from trio_gateway.errors import InvalidRequest

LEGAL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*\Z")
NAMES = st.one_of(
    st.from_regex(r"[a-z0-9_.:/-]{1,8}", fullmatch=True),
    st.text("_x0123456789ABCDEF-.", min_size=1, max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
)


@given(NAMES, st.booleans())
@example("_x41_", False)
@example("1x41_", False)
@example("f-x0_", False)
@example("f_x2D-x0_", True)
def test_a_name_is_legal_and_comes_back(name: str, custom: bool) -> None:
    carried = carry_name(name, custom=custom)
    assert LEGAL.match(carried)
    assert recognise_name(carried) == (name, custom)


@given(NAMES | st.from_regex(r"[a-z_](_x|x0_|-x0_|[0-9A-F]{2}_|5F_|[.:-])*", fullmatch=True))
@example("_x5F_x31_")
@example("f-x0_-x0_")
@example("-x0_")
def test_a_client_s_own_legal_name_comes_back(name: str) -> None:
    if LEGAL.match(name):
        original, custom = recognise_name(name)
        assert carry_name(original, custom=custom) == name


@pytest.mark.parametrize("name", ["get_weather", "a.b:c-d", "_x", "x_y", "_x41_"])
def test_a_legal_name_is_left_as_it_is(name: str) -> None:
    assert carry_name(name) == name


@pytest.mark.parametrize("name", ["_x5F" * 5000 + "_", "f" + "-x0_" * 5000, "_x5F_" * 100 + "x41_", "a" + "-x0_" * 100])
def test_a_name_that_is_all_escapes_is_no_trouble(name: str) -> None:
    recognise_name(carry_name(name))


def test_an_empty_name_is_refused_with_its_pointer() -> None:
    with pytest.raises(InvalidRequest) as caught:
        carry_name("", "/tools/0")
    assert caught.value.pointer == "/tools/0"


@pytest.mark.parametrize("id_", [synthesise_id("3", 0), synthesise_id(digest("r"), 2), synthesise_id("0_1", 5), ""])
def test_a_synthesised_id_is_not_sent(id_: str) -> None:
    assert not isinstance(wire_id(id_), str)


@pytest.mark.parametrize("id_", ["call_1", "toolu_01", "call_gem_", "call_gem_1", "call_gem_zz_1", "xcall_gem_1_1"])
def test_any_other_id_is_sent(id_: str) -> None:
    assert wire_id(id_) == id_


def test_answers_with_different_ids_have_different_digests() -> None:
    assert digest("a") != digest("b")
    assert digest(None) == "0"
