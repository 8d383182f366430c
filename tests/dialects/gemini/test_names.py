from __future__ import annotations

import pytest

from trio_gateway.dialects.gemini.names import (
    digest,
    synthesise_id,
    wire_id,
)


@pytest.mark.parametrize("id_", [synthesise_id("3", 0), synthesise_id(digest("r"), 2), synthesise_id("0_1", 5), ""])
def test_a_synthesised_id_is_not_sent(id_: str) -> None:
    assert not isinstance(wire_id(id_), str)


@pytest.mark.parametrize("id_", ["call_1", "toolu_01", "call_gem_", "call_gem_1", "call_gem_zz_1", "xcall_gem_1_1"])
def test_any_other_id_is_sent(id_: str) -> None:
    assert wire_id(id_) == id_


def test_answers_with_different_ids_have_different_digests() -> None:
    assert digest("a") != digest("b")
    assert digest(None) == "0"
