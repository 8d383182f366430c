"""One answer for identical requests that come at the same time: the first asks, the others look on.

A flight's task lives exactly as long as it has members: the last to leave cancels it, and the upstream with it. What
was received is kept for those who join later, up to a bound; then nobody can join, and the upstream is read no faster
than the slowest member.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import msgspec
import trio

from trio_gateway.dialects.conversation import Losses, Usage
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.errors import GatewayError, UpstreamError
from trio_gateway.routing.ask import Ask
from trio_gateway.routing.attempt import Deadlines, OpenAnswer

logger = logging.getLogger("trio_gateway.routing")

HEADER = b"x-gateway-coalesce"
JOINABLE_BYTES = 1024 * 1024  # of a stream, kept so that others can join
AHEAD_BYTES = 1024 * 1024  # that the upstream is read ahead of the slowest member

Open = Callable[[Ask], Awaitable[OpenAnswer]]


class _Options(msgspec.Struct):
    temperature: float | None = None


class _Temperature(msgspec.Struct):
    """Where each dialect has it."""

    temperature: float | None = None
    options: _Options | None = None  # Ollama
    generationConfig: _Options | None = None  # Gemini


_decode = msgspec.json.Decoder(_Temperature).decode


def may_share(body: bytes, headers: dict[bytes, bytes]) -> bool:
    """Say whether a request's answer can be another's: it asks for no chance, or the client says so."""
    said = headers.get(HEADER)
    if said is not None:
        return said.strip().lower() in (b"true", b"1")
    try:
        read = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    found = [read.temperature, *(part.temperature for part in (read.options, read.generationConfig) if part)]
    return 0 in found


class Flights:
    """Those under way, by what they were asked. Their tasks live in `nursery`."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight] = {}
        self.nursery: trio.Nursery | None = None  # None: nobody could own a flight, and nothing is shared

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, ask: Ask, open_answer: Open) -> OpenAnswer:
        """Return the answer to `ask`, shared with whoever asks the same. Raises GatewayError."""
        if self.nursery is None:
            return await open_answer(ask)
        key = (ask.endpoint, ask.carriage.model, ask.carriage.stream, ask.strict, ask.body)
        flight = self._flights.get(key)
        if flight is None or not flight.joinable:
            flight = Flight(ask, open_answer, lambda: self._forget(key, flight))
            self._flights[key] = flight
            self.nursery.start_soon(_fly, flight)
        return await flight.board(ask)

    def _forget(self, key: Hashable, flight: Any) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _fly(flight: Flight) -> None:
    """A bug in one flight is its members' affair, and nobody else's."""
    try:
        await flight.run()
    except Exception:
        logger.exception("A bug ended a shared request")


class Flight:
    """One shared answer, and who shares it."""

    def __init__(self, ask: Ask, open_answer: Open, forget: Callable[[], None]) -> None:
        self._ask = copy.copy(ask)  # its own: the members' are told what it says
        self._ask.tried = []
        self._ask.deadline_s = math.inf  # the members' deadlines are their own
        self._open_answer = open_answer
        self._forget = forget
        self._scope = trio.CancelScope()
        self._members: set[SharedAnswer] = set()
        self._boarding = 0
        self._opened = trio.Event()
        self.news = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self.source: OpenAnswer | None = None
        self.error: GatewayError | None = None
        self.pieces: list[bytes] = []
        self.sizes: list[int] = []  # bytes up to each piece and with it
        self.over = False
        self._led = False

    @property
    def joinable(self) -> bool:
        return not self.over and not self._scope.cancel_called and self.received <= JOINABLE_BYTES

    @property
    def received(self) -> int:
        return self.sizes[-1] if self.sizes else 0

    async def run(self) -> None:
        """Ask, and take in what comes, for as long as there are members."""
        answer: OpenAnswer | None = None
        try:
            with self._scope:
                try:
                    self.source = answer = await self._open_answer(self._ask)
                except GatewayError as error:
                    self.error = error
                    return
                self._take(answer.first)
                self._opened.set()
                if answer.passage is not None:
                    await self._follow(answer, answer.passage)
        finally:
            self.over = True
            self._forget()
            self._opened.set()
            self.news.unpark_all()
            if answer is not None:
                await answer.aclose()  # waits for nothing

    async def _follow(self, answer: OpenAnswer, passage: StreamPassage) -> None:
        while not passage.ended:
            while self._members and self.received - min(member.read_bytes for member in self._members) > AHEAD_BYTES:
                await self._room.park()
            self._take(await answer.next(passage))

    def _take(self, piece: bytes) -> None:
        if piece:
            self.pieces.append(piece)
            self.sizes.append(self.received + len(piece))
            self.news.unpark_all()

    async def board(self, ask: Ask) -> OpenAnswer:
        """Wait until the answer has begun. Raises the error that the flight ended in."""
        self._boarding += 1
        own = self._ask
        ask.underway = own.underway
        try:
            await self._opened.wait()
            ask.state, ask.attempts, ask.hedges, ask.tried = own.state, own.attempts, own.hedges, own.tried
            if self.error is not None:
                raise copy.copy(self.error)  # each raises its own: tracebacks grow where errors are raised
            if self.source is None:
                raise GatewayError("The shared request was lost. Its own log line has the reason.")
            member = SharedAnswer(self, self.source, ask, leads=not self._led)
            self._led = True
            self._members.add(member)
            return member
        finally:
            self._boarding -= 1
            self._end_if_empty()

    def moved(self) -> None:
        """A member has read on."""
        self._room.unpark_all()

    def leave(self, member: SharedAnswer) -> None:
        self._members.discard(member)
        self._room.unpark_all()
        self._end_if_empty()

    def _end_if_empty(self) -> None:
        if not self._members and not self._boarding:
            self._scope.cancel(reason="the last client has left")


class SharedAnswer(OpenAnswer):
    """One member's view of a flight's answer, at its own pace."""

    __slots__ = ("_at", "_flight", "leads", "read_bytes")

    def __init__(self, flight: Flight, source: OpenAnswer, ask: Ask, *, leads: bool) -> None:
        carriage = copy.copy(source.carriage)
        if not leads:
            carriage.usage = None  # it was used once, and the leader tells of it
        super().__init__(source.channel, source.target, carriage, _Unhurried(source.deadlines, ask.deadline_s), None)
        self._flight = flight
        self.request_id = source.request_id
        self.leads = leads
        self.first = b"".join(flight.pieces)
        self._at = len(flight.pieces)
        self.read_bytes = flight.received
        if source.passage is not None:
            self.passage = _SharedPassage(self, flight, source.passage)

    @property
    def caught_up(self) -> bool:
        return self._at == len(self._flight.pieces)

    async def next(self, passage: StreamPassage) -> bytes:
        """As an answer of its own, but that it raises UpstreamTimeout where its client's own time is over."""
        flight = self._flight
        if self.caught_up and not flight.over:
            await self._wait_for_news()
        pieces = flight.pieces[self._at :]
        self._at += len(pieces)
        self.read_bytes = flight.sizes[self._at - 1] if self._at else 0
        flight.moved()
        return b"".join(pieces)

    async def _wait_for_news(self) -> None:
        flight = self._flight
        with trio.CancelScope(deadline=self.deadlines.total_s):  # noqa: ASYNC912 (called where there is no news)
            while self.caught_up and not flight.over:
                await flight.news.park()
            return
        raise self.deadlines.error(begun=True)  # the flight goes on without this member

    async def aclose(self) -> None:
        self._flight.leave(self)


class _SharedPassage:
    """What the source's passage says, once this member has read as far."""

    __slots__ = ("_answer", "_flight", "_source", "begun")

    def __init__(self, answer: SharedAnswer, flight: Flight, source: StreamPassage) -> None:
        self._answer = answer
        self._flight = flight
        self._source = source
        self.begun = True

    @property
    def ended(self) -> bool:
        return self._flight.over and self._answer.caught_up

    @property
    def error(self) -> UpstreamError | None:
        return self._source.error if self.ended else None

    @property
    def usage(self) -> Usage | None:
        return self._source.usage if self._answer.leads else None

    @property
    def losses(self) -> Losses:
        return self._source.losses if self.ended else []

    def feed(self, chunk: bytes) -> bytes:
        raise AssertionError("the flight feeds the source")

    def close(self) -> bytes:
        raise AssertionError("the flight closes the source")

    def fail(self, error: UpstreamError) -> bytes:
        raise AssertionError("the flight fails the source")


class _Unhurried(Deadlines):
    """A member's: the flight itself watches the gaps, so that all members are told the same."""

    __slots__ = ()

    def __init__(self, source: Deadlines, client_s: float) -> None:
        self.timeouts = source.timeouts
        self.client_s = client_s
        self.first_event_s = source.first_event_s
        self.total_s = min(source.total_s + 1.0, client_s)

    def next_event_s(self) -> float:
        return self.total_s
