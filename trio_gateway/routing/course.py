"""Which target an exchange tries next, and whether it does. Pure: times and chance are passed in.

A course is one exchange's way through its plan. It asks nobody and waits for nothing: `next` says what to do, and
`failed` is told what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import msgspec

from trio_gateway.errors import GatewayError, TooManyRequests, Unavailable
from trio_gateway.routing.balance import Load, rendezvous
from trio_gateway.routing.retry import Verdict, judge, wait_s
from trio_gateway.routing.routes import Plan, Stage
from trio_gateway.routing.targets import Standing, TargetState

PLACE_FREES_S = 1.0  # after which a client that met a full queue is told to come back


class Try(msgspec.Struct, frozen=True):
    """Ask this target, after waiting `after_s`."""

    state: TargetState
    stage: Stage
    after_s: float = 0.0


class Course:
    """`next`, then `failed` with each error, until an answer has come or `next` gives None."""

    def __init__(self, plan: Plan, chance: Random, sticky_key: str | None = None) -> None:
        self._plan = plan
        self._chance = chance
        self._sticky_key = sticky_key
        self._at = -1  # the stage under way
        self._left = 0  # its attempts
        self._fresh: list[TargetState] = []  # of it, not tried yet, in order
        self._again: list[tuple[float, TargetState]] = []  # of it, failed in passing: from when to try again
        self._retries = 0
        self._stopped = False
        self.skipped: list[tuple[TargetState, GatewayError]] = []

    def next(self, now_s: float) -> Try | None:
        """Return what to try next; None where nothing is left."""
        while not self._stopped:
            if self._left > 0:
                state = self._take_fresh(now_s)
                if state is not None:
                    self._left -= 1
                    return Try(state, self._stage)
                again = self._take_again(now_s)
                if again is not None:
                    self._left -= 1
                    return again
            if not self._enter_next(now_s):
                break
        return None

    def beside(self, now_s: float, running: Sequence[TargetState]) -> Try | None:
        """Return a target to start beside those that run: one not tried yet, healthy, and with a free place."""
        if self._stopped:
            return None
        for index, state in enumerate(self._fresh):
            if state not in running and state.standing(now_s, self._chance.random) <= Standing.RELUCTANT:
                del self._fresh[index]
                return Try(state, self._stage)
        for stage in self._plan.stages[self._at + 1 :]:
            for state in self._order(stage, now_s):
                if state not in running and state.standing(now_s, self._chance.random) <= Standing.RELUCTANT:
                    return Try(state, stage)
        return None

    def failed(self, attempt: Try, error: GatewayError, now_s: float) -> Verdict:
        """Note how an attempt failed, and say what that means."""
        stage = attempt.stage
        verdict = judge(error, stage.retry, self._plan.fallback_on)
        if verdict is Verdict.STOP:
            self._stopped = True
        elif verdict is Verdict.AGAIN and stage is self._stage:
            waits_s = wait_s(error, stage.retry, self._retries, self._chance)
            if waits_s is not None:
                self._again.append((now_s + waits_s, attempt.state))
        return verdict

    @property
    def _stage(self) -> Stage:
        return self._plan.stages[self._at]

    def _enter_next(self, now_s: float) -> bool:
        if self._at + 1 >= len(self._plan.stages):
            return False
        self._at += 1
        stage = self._stage
        self._left = stage.retry.attempts
        self._fresh = self._order(stage, now_s, note=True)
        self._again = []
        self._retries = 0
        return True

    def _order(self, stage: Stage, now_s: float, *, note: bool = False) -> list[TargetState]:
        """Return the targets that can be asked, the fittest first, by the route's strategy within one standing."""
        standings: dict[int, Standing] = {}
        for number, state in enumerate(stage.states):
            standing = state.standing(now_s, self._chance.random)
            if standing < Standing.FULL:
                standings[number] = standing
            elif note:
                self.skipped.append((state, resting(state, now_s) if standing is Standing.RESTING else full(state)))
        if stage.sticky and self._sticky_key is not None:
            numbers = rendezvous(self._sticky_key, [state.name for state in stage.states], stage.weights)
            ranked = [number for number in numbers if number in standings]
        else:
            ranked = stage.balance.order([_load(stage, number, now_s) for number in standings])
        return [stage.states[number] for number in sorted(ranked, key=lambda number: standings[number])]

    def _take_fresh(self, now_s: float) -> TargetState | None:
        while self._fresh:
            state = self._fresh.pop(0)
            if state.breaker.would_admit(now_s):
                return state
            self.skipped.append((state, resting(state, now_s)))
        return None

    def _take_again(self, now_s: float) -> Try | None:
        """Return the target that can be tried again soonest."""
        while self._again:
            soonest = min(range(len(self._again)), key=lambda index: self._again[index][0])
            from_s, state = self._again.pop(soonest)
            if state.breaker.would_admit(max(now_s, from_s)):
                self._retries += 1
                return Try(state, self._stage, max(0.0, from_s - now_s))
        return None


def _load(stage: Stage, number: int, now_s: float) -> Load:
    state = stage.states[number]
    weight = stage.weights[number] * state.breaker.share(now_s)
    return Load(number, weight, state.in_flight, state.times.expected_s(now_s))


def resting(state: TargetState, now_s: float) -> Unavailable:
    """Return what is told where only this target could serve, and its breaker is open."""
    reason = f": {state.breaker.reason}" if state.breaker.reason else "."
    return Unavailable(
        f"{state.name} is being left alone for a while, after it failed{reason}",
        code="target_resting",
        retry_after_s=state.breaker.retry_after_s(now_s),
    )


def full(state: TargetState) -> TooManyRequests:
    """Return what is told where the queue in front of a target is full, or did not move in time."""
    return TooManyRequests(
        f"{state.name} has as many requests as it may (max_concurrency), and the queue in front of it is full or slow.",
        code="target_full",
        retry_after_s=PLACE_FREES_S,
    )


def sticky_reader(sticky: str) -> Callable[[bytes, dict[bytes, bytes]], str | None]:
    """Return what reads, off a request's body and headers, the key that `sticky` names; None where it has none."""
    if sticky.startswith("header:"):
        name = sticky.removeprefix("header:").strip().lower().encode("latin-1")

        def of_header(_: bytes, headers: dict[bytes, bytes]) -> str | None:
            value = headers.get(name)
            return value.decode("latin-1") if value else None

        return of_header

    def of_body(body: bytes, _: dict[bytes, bytes]) -> str | None:
        try:
            found = _decode_keys(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if sticky == "prompt_cache_key":
            return found.prompt_cache_key
        return found.user or (found.metadata.user_id if found.metadata else None)

    return of_body


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Keys(msgspec.Struct):
    """OpenAI's `user` and `prompt_cache_key`, Anthropic's `metadata.user_id`."""

    user: str | None = None
    prompt_cache_key: str | None = None
    metadata: _Metadata | None = None


_decode_keys = msgspec.json.Decoder(_Keys).decode
