"""An attempt with all that belongs to it: the request written for the target, its place, its keys, its health."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping

import trio

from trio_gateway.dialects.carriage import Carriage, Load
from trio_gateway.dialects.conversation import Losses
from trio_gateway.errors import LOSS, GatewayError, InvalidRequest, UpstreamError
from trio_gateway.routing.ask import Ask, Tried
from trio_gateway.routing.attempt import Deadlines, OpenAnswer, attempt
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.course import Try
from trio_gateway.routing.keys import limit_reset_s
from trio_gateway.routing.lease import Lease, take_lease
from trio_gateway.routing.retry import refusal
from trio_gateway.routing.targets import TargetState
from trio_gateway.routing_config import RouteTimeouts
from trio_gateway.transport.fetch import Fetcher

_LOSSES_QUOTED_MAX = 20  # in a message
_LOSSES_TOLD_MAX = 200  # where a dialect's errors have room for a list
_OF_A_KEY = frozenset({401, 403, 429})  # what another key of the channel may not meet


class Trier:
    """Tries one target at a time; which, is decided elsewhere."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels

    async def try_one(self, chosen: Try, ask: Ask) -> OpenAnswer:
        """As `try_target`, with a request of its own, so that attempts beside each other share nothing."""
        return await self.try_target(chosen.state, ask, copy.copy(ask.carriage), chosen.stage.timeouts)

    async def try_target(
        self, state: TargetState, ask: Ask, carriage: Carriage, overrides: RouteTimeouts | None = None
    ) -> OpenAnswer:
        """Return the answer of one target. Blocks for a place and for the first event.

        Raises GatewayError, noted in `ask.tried` and in the target's health. Cancelled, it leaves no trace in either.
        """
        ask.state = state
        ask.attempts += 1
        channel = self._channels[state.target.channel]
        timeouts = channel.timeouts if overrides is None else overrides.over(channel.timeouts)
        began_s = trio.current_time()
        lease: Lease | None = None
        held = False
        try:
            if ask.fetcher is not None:
                await _fetch(ask.fetcher, channel, state.target.model, carriage)
            path = _load(channel, state, ask, carriage)
            if carriage.told is not None:
                # Nobody has to be asked.
                deadlines = Deadlines(timeouts, ask.started_s, began_s, ask.deadline_s)
                answer = OpenAnswer(channel, state.target, carriage, deadlines, None)
                answer.first = carriage.told
                return answer
            lease = await take_lease(state, began_s if ask.fetcher is None else trio.current_time())
            deadlines = Deadlines(timeouts, ask.started_s, lease.began_s, ask.deadline_s)
            answer = await _ask_with_keys(channel, state, carriage, path, ask, deadlines, lease.began_s)
            lease.succeeded(trio.current_time())
            held = True
            return answer.hold(lease)
        except GatewayError as error:
            now_s = trio.current_time()
            if lease is not None:
                lease.judged(now_s, error, min(timeouts.first_event_s, timeouts.total_s))
            ask.tried.append(Tried(state.name, now_s - began_s, error))
            raise
        finally:
            if lease is not None and not held:
                lease.end()


async def _fetch(fetcher: Fetcher, channel: Channel, model: str, carriage: Carriage) -> None:
    """Get what the target has to be given as bytes, unless an earlier attempt has. Raises InvalidRequest."""
    speaks = channel.speaks(carriage, model)
    wanted = carriage.remote_media(speaks, channel.capabilities(model, speaks))
    if wanted:
        carriage.fetched.update(await fetcher.fetch_all(wanted))


def _load(channel: Channel, state: TargetState, ask: Ask, carriage: Carriage) -> bytes:
    """Write the request for the target; return its path there. Raises InvalidRequest."""
    model = state.target.model
    speaks = channel.speaks(carriage, model)
    path = channel.request_target(ask.operation, model, carriage.stream, speaks)
    load = Load(
        dialect=speaks,
        model=model,
        capabilities=channel.capabilities(model, speaks),
        id=ask.request_id.removeprefix("req_"),
        created=int(time.time()),
    )
    try:
        carriage.load(load)
    except InvalidRequest as error:
        if ask.fetcher is None and error.pointer in _fetchable(carriage, load):
            error.message += " With [fetch] enabled = true the gateway would fetch it."
        raise
    if carriage.losses and ask.strict:
        raise _strict_refusal(carriage.losses)
    ask.underway.state, ask.underway.losses = state, carriage.losses
    return path


def _fetchable(carriage: Carriage, load: Load) -> list[str]:
    return [remote.at for remote in carriage.remote_media(load.dialect, load.capabilities)]


def _strict_refusal(losses: Losses) -> InvalidRequest:
    """Return the error that lists what the target cannot carry: each field once for each reason."""
    violations = list(dict.fromkeys((loss.pointer, loss.reason) for loss in losses))
    told = "; ".join(f"{pointer}: {reason}" for pointer, reason in violations[:_LOSSES_QUOTED_MAX])
    if len(violations) > _LOSSES_QUOTED_MAX:
        told += f"; and {len(violations) - _LOSSES_QUOTED_MAX} more"
    return InvalidRequest(
        f"The target cannot carry all of this request, and x-gateway-strict is set: {told}",
        code=LOSS,
        pointer=losses[0].pointer,
        violations=violations[:_LOSSES_TOLD_MAX],
    )


async def _ask_with_keys(
    channel: Channel,
    state: TargetState,
    carriage: Carriage,
    path: bytes,
    ask: Ask,
    deadlines: Deadlines,
    now_s: float,
) -> OpenAnswer:
    """Ask with the key whose turn it is, and with the next one where the provider does not take it."""
    keys = state.keys
    rounds = len(keys)
    while True:  # noqa: ASYNC913 (each round asks a provider, or raises)
        key = keys.pick(now_s)
        rounds -= 1
        try:
            headers = channel.headers_for(carriage, ask.headers, key)
            answer = await attempt(channel, state.target, carriage, path, headers, deadlines)
        except UpstreamError as error:
            if error.status not in _OF_A_KEY or refusal(error) is not None:
                raise
            now_s = trio.current_time()
            if error.status == 429:
                keys.limited(key, now_s, error.retry_after_s)
            else:
                keys.refused(key, now_s)
            if rounds <= 0 or not keys.has_ready(now_s):
                raise
            ask.tried.append(Tried(f"{state.name} (key {key + 1})", 0.0, error))
            ask.attempts += 1
        else:
            if len(keys) > 1:
                keys.worked(key)
                if (reset_s := limit_reset_s(answer.headers)) is not None:
                    keys.limited(key, trio.current_time(), reset_s)
            return answer
