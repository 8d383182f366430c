from __future__ import annotations

import pytest

from trio_gateway.dialects.carriage import ChatCarriage
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


@pytest.mark.parametrize(
    ("value", "strict"), [(b"true", True), (b" TRUE ", True), (b"1", True), (b"false", False), (b"0", False)]
)
def test_a_client_asks_for_all_or_nothing_by_a_header(value: bytes, strict: bool) -> None:
    assert ask({b"x-gateway-strict": value}).strict is strict
    assert not ask({}).strict
