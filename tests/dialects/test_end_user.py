from __future__ import annotations

import re

import pytest

from trio_gateway.dialects.end_user import hashed_id, is_personal
from trio_gateway.translate import translate_request


@pytest.mark.parametrize("user", ["a@b.org", "first.last+x@mail.example.com"])
def test_an_address_is_personal(user: str) -> None:
    assert is_personal(user)


@pytest.mark.parametrize("user", ["", "user_1", "a@b", "@", '{"device":"a@b.org", "session":"s"}', "a@b.org c@d.org"])
def test_an_id_that_a_program_made_is_not(user: str) -> None:
    assert not is_personal(user)


def test_a_hash_is_the_same_for_the_same_user_and_short_enough_for_all() -> None:
    assert re.fullmatch("[0-9a-f]{64}", hashed_id("a@b.org"))
    assert len({hashed_id(user) for user in ("a@b.org", "b@b.org", "\ud800")}) == 3
    assert hashed_id("a@b.org") == hashed_id("a@b.org")


def test_one_user_is_one_user_in_every_format() -> None:
    asked = b'{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"x"}],"metadata":{"user_id":"%b"}}'
    long_id = "u" * 300
    for target in ("openai_chat", "openai_responses"):
        translated = translate_request(asked % long_id.encode(), "anthropic_messages", target, model="gpt-5")
        assert hashed_id(long_id).encode() in translated.body
        assert [loss.pointer for loss in translated.losses] == ["/metadata/user_id"]
