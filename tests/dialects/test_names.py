from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects.names import escape_name, unescape_name

MISFIT = re.compile(r"[^a-zA-Z0-9_-]|_(?=x[0-9A-F]{1,6}[^a-zA-Z0-9-])")


@given(st.text("ab_x0F./-é2E5D", max_size=12) | st.text(max_size=12))
@example("_x5F_x2E_")
@example("a_x2E_b")
@example("_x2/")
def test_a_name_fits_and_comes_back_as_it_was(name: str) -> None:
    escaped = escape_name(name, MISFIT)
    assert re.fullmatch(r"[a-zA-Z0-9_-]*", escaped)
    assert unescape_name(escaped) == name


def test_a_misfit_is_written_as_its_number() -> None:
    assert escape_name("a.b/é", MISFIT) == "a_x2E_b_x2F__xE9_"


@pytest.mark.parametrize("name", ["a_xD800_b", "a_x110000_b", "_x_", "_x2e_", "_x1234567_"])
def test_what_no_escape_can_have_made_is_left_as_it_is(name: str) -> None:
    assert unescape_name(name) == name
