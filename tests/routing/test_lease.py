from __future__ import annotations

import pytest
import trio

from trio_gateway.errors import (
    GatewayError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamBroke,
    UpstreamError,
    UpstreamTimeout,
)
from trio_gateway.routing.health import State
from trio_gateway.routing.keys import KeyRing
from trio_gateway.routing.lease import Lease, take_lease
from trio_gateway.routing.table import Target
from trio_gateway.routing.targets import Targets, TargetState
from trio_gateway.routing_config import BreakerConfig, TargetConfig


def state(failures: int = 1, **bounds: float) -> TargetState:
    targets = Targets(BreakerConfig(failures=failures), {"c": KeyRing(1)})
    return targets.get(Target("c", "m"), TargetConfig(channel="c", model="m", **bounds))


async def take(of: TargetState) -> Lease:
    return await take_lease(of, trio.current_time())


async def test_a_lease_counts_as_long_as_it_lasts_and_leaves_no_trace_without_a_verdict() -> None:
    of = state()
    one, other = await take(of), await take(of)
    assert of.in_flight == 2
    one.end()
    other.end()
    assert (of.in_flight, of.breaker.state, of.times.expected_s(0.0), of.at_rest) == (0, State.CLOSED, 0.0, True)


async def test_the_time_to_the_first_event_is_learnt(autojump_clock: trio.testing.MockClock) -> None:
    of = state()
    lease = await take(of)
    await trio.sleep(2)
    lease.succeeded(trio.current_time())
    lease.end()
    assert of.times.expected_s(trio.current_time()) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("error", "standing"),
    [
        (UpstreamBroke("it broke"), State.OPEN),
        (UpstreamError("m", status=500), State.OPEN),
        (UpstreamError("m", status=400), State.CLOSED),
        (InvalidRequest("the client's fault"), State.CLOSED),
    ],
)
async def test_an_error_before_the_first_event_is_the_targets_where_it_is_to_blame(
    error: GatewayError, standing: State
) -> None:
    of = state()
    lease = await take(of)
    lease.judged(trio.current_time(), error, 120.0)
    lease.end()
    assert of.breaker.state is standing


@pytest.mark.parametrize(("waited_s", "standing"), [(119.5, State.OPEN), (30.0, State.CLOSED)])
async def test_a_timeout_is_the_targets_only_if_it_had_the_time_it_was_allowed(
    waited_s: float, standing: State, autojump_clock: trio.testing.MockClock
) -> None:
    of = state()
    lease = await take(of)
    await trio.sleep(waited_s)
    lease.judged(trio.current_time(), UpstreamTimeout("no first event"), 120.0)
    lease.end()
    assert of.breaker.state is standing


async def test_an_open_breaker_refuses_and_gives_the_place_back() -> None:
    of = state(max_concurrency=1)
    lease = await take(of)
    lease.failed(trio.current_time(), UpstreamError("out of\n  order " + "x" * 300, status=500, retry_after_s=30.0))
    lease.end()
    assert of.breaker.reason.startswith("out of order xxx")
    assert len(of.breaker.reason) == 201
    assert of.places is not None
    for _ in range(3):
        with pytest.raises(Unavailable):
            await take(of)
        assert (of.places.taken, of.in_flight) == (0, 0)


async def test_who_finds_no_place_waits_for_one_first_come_first_served() -> None:
    of = state(max_concurrency=1, queue_max=5)
    order: list[int] = []

    async def ask(number: int) -> None:
        lease = await take(of)
        order.append(number)
        lease.end()

    held = await take(of)
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
        assert (order, of.in_flight) == ([], 1)
        held.end()
    assert order == [0, 1, 2]
    assert of.at_rest


async def test_a_full_queue_refuses_at_once_and_one_that_does_not_move_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    of = state(max_concurrency=1, queue_max=1, queue_wait_s=3.0)
    lease = await take(of)
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(TooManyRequests):
                await take(of)
            assert trio.current_time() == 3.0

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TooManyRequests):
            await take(of)
        assert trio.current_time() == 0.0
    assert of.places is not None
    assert of.places.waiting == 0
    lease.end()
    assert of.at_rest


async def test_who_is_cancelled_in_the_queue_loses_nobodys_place() -> None:
    of = state(max_concurrency=1, queue_max=5)
    got: list[str] = []

    async def ask(name: str, scope: trio.CancelScope) -> None:
        with scope:
            lease = await take(of)
            got.append(name)
            lease.end()

    held = await take(of)
    first, second = trio.CancelScope(), trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "first", first)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, "second", second)
        await trio.testing.wait_all_tasks_blocked()
        first.cancel(reason="it left")
        await trio.testing.wait_all_tasks_blocked()
        held.end()
    assert got == ["second"]
    assert of.at_rest


async def test_a_place_that_was_given_in_the_moment_of_a_cancellation_is_not_lost() -> None:
    of = state(max_concurrency=1, queue_max=5)
    held = await take(of)
    scope = trio.CancelScope()

    async def ask() -> None:
        with scope:
            (await take(of)).end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        held.end()
        scope.cancel(reason="it left just then")
    assert of.at_rest
