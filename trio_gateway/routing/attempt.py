"""One try of an exchange on one target, up to the first event that the client would see.

Until then nothing has reached the client, and whatever went wrong can be told by a status, or tried elsewhere.
"""

from __future__ import annotations

import trio

from trio_gateway.dialects.carriage import Carriage
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.errors import UpstreamBroke, UpstreamError, UpstreamTimeout
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.table import Target
from trio_gateway.routing_config import Timeouts
from trio_gateway.transport.upstream import UpstreamResponse

ANSWER_MAX_BYTES = 256 * 1024 * 1024  # of a plain answer, which is held whole
ERROR_MAX_BYTES = 1024 * 1024  # of a provider's error body


class OpenAnswer:
    """An answer whose first event is there: `first` is what the client is to be sent, all of it where it is plain.

    `passage` is None for a plain answer. To be closed by whoever has it, with `aclose`.
    """

    __slots__ = ("_response", "channel", "deadlines", "first", "passage", "request_id", "target")

    def __init__(self, channel: Channel, target: Target, deadlines: Deadlines, response: UpstreamResponse) -> None:
        self.channel = channel
        self.target = target
        self.deadlines = deadlines
        self.passage: StreamPassage | None = None
        self.first = b""
        self.request_id = _request_id(response)
        self._response = response

    async def read(self, carriage: Carriage) -> None:
        """Read up to the first event. Raises UpstreamError."""
        response = self._response
        if response.status != 200:
            raise await self._read_error()
        if not carriage.stream:
            self.first = carriage.answer(await response.read(ANSWER_MAX_BYTES))
            return
        if (response.header(b"content-type") or b"").startswith(b"application/json"):
            carriage.answer(await response.read(ERROR_MAX_BYTES))  # raises the error that it may be
            raise UpstreamBroke("The provider answered a request for a stream with a plain answer.")
        passage = self.passage = carriage.open_stream(self.channel.redacted)
        while not passage.begun:
            if passage.ended:
                raise passage.error or UpstreamBroke("The provider's stream held no answer.")
            chunk = await response.receive_some()
            self.first = passage.feed(chunk) if chunk else passage.close()

    async def next(self, passage: StreamPassage) -> bytes:
        """Return more of a stream for the client; perhaps nothing. Never raises but for cancellation."""
        try:
            chunk = await self._response.receive_some()
        except UpstreamError as error:
            return passage.fail(error)
        return passage.feed(chunk) if chunk else passage.close()

    async def aclose(self) -> None:
        """Close the upstream's response, and its connection unless it was read to its end."""
        await self._response.aclose()

    async def _read_error(self) -> UpstreamError:
        response = self._response
        if response.status < 400:
            return UpstreamBroke(f"The provider answered with the status {response.status}, which is no answer.")
        body = await response.read(ERROR_MAX_BYTES)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        return self.channel.dialect.decode_error(response.status, headers, body)


async def attempt(
    channel: Channel, target: Target, carriage: Carriage, path: bytes, headers: list[tuple[bytes, bytes]]
) -> OpenAnswer:
    """Ask the target for its answer, and return it once its first event is there.

    Blocks until then, for `first_event_s` at most. Raises UpstreamError; on that and on cancellation everything
    that was opened is closed.
    """
    deadlines = Deadlines(channel.timeouts)
    answer: OpenAnswer | None = None
    with trio.CancelScope(deadline=deadlines.first_event_s) as scope:
        try:
            response = await channel.upstream.open(b"POST", path, headers, carriage.body)
            answer = OpenAnswer(channel, target, deadlines, response)
            await answer.read(carriage)
            return answer
        except BaseException as error:
            if answer is not None:
                await answer.aclose()
            if isinstance(error, UpstreamError):
                channel.redacted(error)
            raise
    # Only a deadline ends the scope without an answer or an error.
    assert scope.cancelled_caught
    raise deadlines.error(begun=False)


class Deadlines:
    """When what an attempt waits for is too late, on the event loop's clock."""

    __slots__ = ("_timeouts", "first_event_s", "total_s")

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        now_s = trio.current_time()
        self.total_s = now_s + timeouts.total_s
        self.first_event_s = min(self.total_s, now_s + timeouts.first_event_s)

    def next_event_s(self) -> float:
        return min(self.total_s, trio.current_time() + self._timeouts.gap_s)

    def error(self, *, begun: bool) -> UpstreamTimeout:
        """Return what to tell once a deadline has passed; `begun` says whether it was in the middle of a stream."""
        timeouts = self._timeouts
        if trio.current_time() >= self.total_s:
            return UpstreamTimeout(f"The provider took longer than total_s = {timeouts.total_s:g} for its answer.")
        if begun:
            return UpstreamTimeout(f"The provider stopped in mid-answer for longer than gap_s = {timeouts.gap_s:g}.")
        return UpstreamTimeout(f"The provider did not answer within first_event_s = {timeouts.first_event_s:g}.")


def _request_id(response: UpstreamResponse) -> bytes | None:
    """Return the provider's own id of the request, for its support."""
    value = response.header(b"x-request-id") or response.header(b"request-id")
    return value[:200] if value is not None and value.isascii() else None
