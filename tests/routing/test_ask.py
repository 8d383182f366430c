from __future__ import annotations

import copy

from trio_gateway.dialects.carriage import ChatCarriage
from trio_gateway.dialects.conversation import Loss
from trio_gateway.errors import UpstreamError
from trio_gateway.routing.ask import Ask, Tried


def ask(headers: dict[bytes, bytes]) -> Ask:
    body = b'{"model":"m","messages":[]}'
    carriage = ChatCarriage("openai_chat", body, None)
    return Ask(
        carriage=carriage, endpoint="chat.completions", operation="chat", body=body, headers=headers, request_id="r",
        started_s=0.0,
    )  # fmt: skip


def test_an_attempt_is_told_on_one_line_with_its_status_and_its_time() -> None:
    error = UpstreamError("it is\n  overloaded", status=529)
    assert Tried("c/m", 1.234, error).line() == "c/m: 529 after 1.23 s: it is overloaded"


def test_a_long_message_is_cut() -> None:
    line = Tried("c/m", 0.0, UpstreamError("x" * 1000)).line()
    assert line == "c/m: 502 after 0.00 s: " + "x" * 300 + "…"


def test_one_that_lost_a_race_failed_in_nothing() -> None:
    assert Tried("c/m", 2.0).line() == "c/m: cancelled after 2.00 s, another answered first"


def test_all_copies_of_an_ask_share_what_is_known_before_the_first_event_has_come() -> None:
    asked = ask({})
    copied = copy.copy(asked)
    copied.underway.losses = [Loss("/x", "why")]
    assert asked.underway.losses == copied.underway.losses
    assert ask({}).underway.losses == []
