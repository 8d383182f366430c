"""How every target does at the moment, for operators and for dry runs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from trio_gateway.routing.health import State
from trio_gateway.routing.targets import TargetState


class TargetReport(msgspec.Struct, frozen=True):
    """Times are seconds. `retry_after_s` is told while the target is left alone, `expected_s` once it is known."""

    channel: str
    model: str
    state: str
    in_flight: int = 0
    waiting: int = 0
    keys: int = 1
    keys_ready: int = 1
    expected_s: float | None = None
    retry_after_s: float | None = None
    reason: str = ""


class Report(msgspec.Struct, frozen=True):
    """Targets that nobody has asked for yet are not in it."""

    targets: list[TargetReport] = []


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Report).decode


def report(states: Iterable[TargetState], now_s: float) -> Report:
    return Report([_report_one(state, now_s) for state in states])


def encode_report(states: Iterable[TargetState], now_s: float) -> bytes:
    return _encode(report(states, now_s))


def decode_report(body: bytes) -> Report:
    """Raises msgspec.DecodeError."""
    return _decode(body)


def _report_one(state: TargetState, now_s: float) -> TargetReport:
    breaker = state.breaker
    expected_s = state.times.expected_s(now_s)
    return TargetReport(
        channel=state.target.channel,
        model=state.target.model,
        state=breaker.state.value,
        in_flight=state.in_flight,
        waiting=state.places.waiting if state.places is not None else 0,
        keys=len(state.keys),
        keys_ready=sum(state.keys.back_s(number) <= now_s for number in range(len(state.keys))),
        expected_s=round(expected_s, 4) or None,
        retry_after_s=None if breaker.would_admit(now_s) else round(breaker.retry_after_s(now_s), 1),
        reason="" if breaker.state is State.CLOSED else breaker.reason,
    )
