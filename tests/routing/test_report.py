from __future__ import annotations

from trio_gateway.routing.keys import KeyRing
from trio_gateway.routing.report import Report, TargetReport, decode_report, encode_report, report
from trio_gateway.routing.table import Target
from trio_gateway.routing.targets import Targets
from trio_gateway.routing_config import BreakerConfig, TargetConfig

QUICK = BreakerConfig(failures=1, cool_down_s=10.0)


def test_targets_that_nobody_asked_for_are_not_told_of() -> None:
    assert report(Targets(QUICK, {"c": KeyRing(1)}), 0.0) == Report([])


def test_a_target_at_work_is_told_with_its_load_and_its_keys() -> None:
    targets = Targets(QUICK, {"c": KeyRing(3)})
    state = targets.get(Target("c", "m"), TargetConfig(channel="c", model="m", max_concurrency=1, queue_max=5))
    assert state.places is not None
    state.places.take()
    state.places.join("one")
    state.places.join("other")
    state.in_flight = 1
    state.keys.refused(1, 0.0)
    state.times.observe(0.25, 1.0)
    assert report(targets, 1.0).targets == [
        TargetReport("c", "m", "closed", in_flight=1, waiting=2, keys=3, keys_ready=2, expected_s=0.25)
    ]


def test_a_target_that_is_left_alone_is_told_with_why_and_for_how_long() -> None:
    targets = Targets(QUICK, {"c": KeyRing(1)})
    breaker = targets.get(Target("c", "m")).breaker
    breaker.failed(breaker.admit(0.0), 0.0, "it broke")
    told = [report(targets, now_s).targets[0] for now_s in (2.04, 10.0)]
    assert [(one.state, one.retry_after_s, one.reason) for one in told] == [
        ("open", 8.0, "it broke"),
        ("open", None, "it broke"),  # whoever asks now is its probe
    ]
    breaker.succeeded(breaker.admit(10.0), 10.0)
    breaker.admit(1000.0)
    assert report(targets, 1000.0).targets == [TargetReport("c", "m", "closed")]


def test_a_report_that_was_written_is_read_as_it_was() -> None:
    targets = Targets(QUICK, {"c": KeyRing(2)})
    breaker = targets.get(Target("c", "m")).breaker
    targets.get(Target("c", "n")).times.observe(1.23456, 0.0)
    breaker.failed(breaker.admit(0.0), 0.0, "ünlucky")
    assert decode_report(encode_report(targets, 0.0)) == report(targets, 0.0)
    assert report(targets, 0.0).targets[1].expected_s == 1.2346
