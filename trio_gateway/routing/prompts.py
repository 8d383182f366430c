"""The answer to a request with several prompts: one upstream call each, all of them within the exchange.

Where every target takes such a request as it is, it passes whole. Where only some do they are asked the prompts one by
one like the others, for it is not known before an attempt who answers.

A plain answer's calls run side by side, a bounded number at a time, and the first failure ends the others. A stream's
run one after the other: each is opened when the one before has ended, and waited for as patiently as the first.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from trio_gateway.dialects.carriage import ChatCarriage
from trio_gateway.dialects.conversation import Losses, Usage
from trio_gateway.dialects.openai_prompts import Prompts, StreamJoiner, join_answers, split_prompts
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.errors import GatewayError, UpstreamError
from trio_gateway.routing.ask import Ask
from trio_gateway.routing.attempt import OpenAnswer
from trio_gateway.routing.router import Router
from trio_gateway.routing.routes import Plan

DIALECT = "openai_completions"
AT_ONCE_MAX = 8  # of the calls for one request

Opening: TypeAlias = Callable[[], Awaitable[OpenAnswer]]
# Awaits an opening; the client of a stream is told meanwhile that somebody is at work.
Patiently: TypeAlias = Callable[[Opening], Awaitable[OpenAnswer]]


async def open_prompts(router: Router, plan: Plan, ask: Ask, patiently: Patiently) -> OpenAnswer:
    """As `Router.open`, for a request of the legacy completions, which may have several prompts.

    `patiently` opens the streams after the first one, between which the client would hear nothing.
    """
    prompts = None if router.all_have(plan, DIALECT) else split_prompts(ask.body)
    if prompts is None:
        return await router.open(plan, ask)
    several = _Several(router, plan, ask, prompts, patiently)
    return await (several.open_stream() if ask.carriage.stream else several.open_plain())


class _Several:
    """What is asked for one request."""

    def __init__(self, router: Router, plan: Plan, ask: Ask, prompts: Prompts, patiently: Patiently) -> None:
        self._patiently = patiently
        self._router = router
        self._plan = plan
        self._ask = ask
        self._bodies = iter(list(enumerate(prompts.bodies)))
        self.left = len(prompts.bodies)
        self.n = prompts.n

    async def open_next(self) -> tuple[int, OpenAnswer]:
        """Return the answer to the next prompt, and its place. Raises GatewayError, and StopIteration never: `left`."""
        place, body = next(self._bodies)
        self.left -= 1
        own = copy.copy(self._ask)
        own.attempts, own.body, own.carriage = 0, body, ChatCarriage(DIALECT, body)
        try:
            return place, await self._router.open(self._plan, own)
        finally:
            # `tried` is the same list.
            self._ask.attempts += own.attempts
            self._ask.state = own.state

    async def open_plain(self) -> OpenAnswer:
        answered: dict[int, OpenAnswer] = {}
        failed: list[GatewayError] = []

        async def work(others: trio.CancelScope) -> None:
            while self.left:
                try:
                    place, answer = await self.open_next()
                except GatewayError as error:
                    failed.append(error)
                    others.cancel(reason="one of the prompts cannot be answered")
                    return
                answered[place] = answer
                await answer.aclose()  # it is whole

        async with trio.open_nursery() as nursery:
            for _ in range(min(self.left, AT_ONCE_MAX)):
                nursery.start_soon(work, nursery.cancel_scope)
        if failed:
            raise failed[0]
        answers = [answered[place] for place in sorted(answered)]
        first = answers[0]
        first.first = join_answers([answer.first for answer in answers], self.n)
        carriage = first.carriage = copy.copy(first.carriage)
        carriage.usage = _summed([answer.carriage.usage for answer in answers])
        carriage.answer_losses = [loss for answer in answers for loss in answer.carriage.answer_losses]
        return first

    async def open_stream(self) -> OpenAnswer:
        return StreamOfSeveral(self, await self._open_next_stream())

    def open_later_stream(self) -> Awaitable[OpenAnswer]:
        """Return the next prompt's stream once its first event is there. Raises GatewayError."""
        return self._patiently(self._open_next_stream)

    async def _open_next_stream(self) -> OpenAnswer:
        _, answer = await self.open_next()
        return answer


class StreamOfSeveral(OpenAnswer):
    """The streams of all prompts as one. At any time one of them is open."""

    __slots__ = ("_current", "_joiner", "_several", "told")

    def __init__(self, several: _Several, first: OpenAnswer) -> None:
        super().__init__(first.channel, first.target, first.carriage, first.deadlines, None)
        self.request_id = first.request_id
        self._several = several
        self._joiner = StreamJoiner(several.n)
        self._current = first
        self.told: list[StreamPassage] = [_passage(first)]
        self.passage = _PassageOfSeveral(self)

    @property
    def over(self) -> bool:
        current = self.told[-1]
        return current.ended and (not self._several.left or current.error is not None)

    def take_first(self) -> bytes:
        return self._joiner.feed(self._current.take_first())

    async def next(self, passage: StreamPassage) -> bytes:
        """As an answer of its own, but that it raises GatewayError where a later prompt cannot be answered."""
        current = self._current
        if not self.told[-1].ended:
            return self._joiner.feed(await current.next(self.told[-1]))
        await current.aclose()
        self._current = await self._several.open_later_stream()
        self._joiner.next_prompt(last=not self._several.left)
        self.told.append(_passage(self._current))
        return self._joiner.feed(self._current.take_first())

    async def aclose(self) -> None:
        await self._current.aclose()


class _PassageOfSeveral:
    """What the passages say that there have been by now."""

    __slots__ = ("_answer", "begun")

    def __init__(self, answer: StreamOfSeveral) -> None:
        self._answer = answer
        self.begun = True

    @property
    def ended(self) -> bool:
        return self._answer.over

    @property
    def error(self) -> UpstreamError | None:
        return self._answer.told[-1].error

    @property
    def usage(self) -> Usage | None:
        return _summed([passage.usage for passage in self._answer.told])

    @property
    def losses(self) -> Losses:
        return [loss for passage in self._answer.told for loss in passage.losses]

    def feed(self, chunk: bytes) -> bytes:
        raise AssertionError("each answer feeds its own")

    def close(self) -> bytes:
        raise AssertionError("each answer closes its own")

    def fail(self, error: UpstreamError) -> bytes:
        raise AssertionError("each answer fails its own")


def _passage(answer: OpenAnswer) -> StreamPassage:
    assert answer.passage is not None, "a stream was asked for"
    return answer.passage


def _summed(usages: list[Usage | None]) -> Usage | None:
    """Return what was used together: a count that is not known of one is not known of all."""
    known = [usage for usage in usages if usage is not None]
    if len(known) < len(usages):
        return None
    return Usage(*[_sum([getattr(usage, name) for usage in known]) for name in Usage.__struct_fields__])


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
