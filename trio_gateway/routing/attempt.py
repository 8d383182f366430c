"""One try of an exchange on one target, up to the first event that the client would see.

Until then nothing has reached the client, and whatever went wrong can be told by a status, or tried elsewhere.
"""

from __future__ import annotations

from email.utils import formatdate

import trio

from trio_gateway.dialects.carriage import Carriage
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.errors import UpstreamBroke, UpstreamError, UpstreamTimeout
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.lease import Lease
from trio_gateway.routing.retry import Blame, blame
from trio_gateway.routing.table import Target
from trio_gateway.routing_config import Timeouts
from trio_gateway.transport.upstream import UpstreamResponse
from trio_gateway.transport.watch import Overdue

ANSWER_MAX_BYTES = 256 * 1024 * 1024  # of a plain answer, which is held whole
ERROR_MAX_BYTES = 1024 * 1024  # of a provider's error body

# Whose streams are lines of JSON: one of a single line, as Ollama tells that it has loaded a model, calls itself JSON.
_PLAIN_IS_A_STREAM = frozenset({"ollama"})

# What providers call their limits in headers. They are those of the channel's key, which all clients share: they are
# told where one was met, and not as what a client has left.
_LIMITS = (b"x-ratelimit-", b"anthropic-ratelimit-")


class OpenAnswer:
    """An answer whose first event is there: `first` is what the client is to be sent, all of it where it is plain.

    `passage` is None for a plain answer. `carriage` is the request as the target was sent it. To be closed by whoever
    has it, with `aclose`, which gives the target's place back too.
    """

    __slots__ = ("_lease", "_response", "carriage", "channel", "deadlines", "first", "passage", "request_id", "target")

    def __init__(
        self,
        channel: Channel,
        target: Target,
        carriage: Carriage,
        deadlines: Deadlines,
        response: UpstreamResponse | None,
    ) -> None:
        self.channel = channel
        self.target = target
        self.carriage = carriage
        self.deadlines = deadlines
        self.passage: StreamPassage | None = None
        self.first = b""
        self.request_id = None if response is None else _request_id(response)
        self._response = response
        self._lease: Lease | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the provider sent; nothing where nobody was asked."""
        return [] if self._response is None else self._response.headers

    def hold(self, lease: Lease) -> OpenAnswer:
        """Keep the target's place until the answer is closed."""
        self._lease = lease
        return self

    async def read(self) -> None:
        """Read up to the first event. Raises UpstreamError."""
        response, carriage = self._response, self.carriage
        assert response is not None
        if response.status != 200:
            raise await self._read_error(response)
        if not carriage.stream:
            self.first = carriage.answer(await response.read(ANSWER_MAX_BYTES))
            return
        plain = (response.header(b"content-type") or b"").startswith(b"application/json")
        if plain and self.channel.dialect_name not in _PLAIN_IS_A_STREAM:
            carriage.answer(await response.read(ERROR_MAX_BYTES))  # raises the error that it may be
            raise UpstreamBroke("The provider answered a request for a stream with a plain answer.")
        passage = self.passage = carriage.open_stream(self.channel.without_keys)
        while not passage.begun:
            if passage.ended:
                raise passage.error or UpstreamBroke("The provider's stream held no answer.")
            chunk = await response.receive_some()
            self.first = passage.feed(chunk) if chunk else passage.close()

    def take_first(self) -> bytes:
        """Return what a stream begins with, and keep nothing any more that only its opening needed."""
        first, self.first = self.first, b""
        self.carriage.forget_request()
        if self._response is not None:
            self._response.forget_headers()
        return first

    async def next(self, passage: StreamPassage) -> bytes:
        """Return more of a stream for the client; perhaps nothing.

        Raises nothing but cancellation: what went wrong is in what it returns, and in `passage.error`.
        """
        response, deadlines = self._response, self.deadlines
        assert response is not None
        try:
            response.wait_until(deadlines.next_event_s())
            chunk = await response.receive_some()
            response.wait_until(deadlines.total_s)  # a slow client is not the provider's fault
        except Overdue:
            return passage.fail(deadlines.error(begun=True))
        except UpstreamError as error:
            return passage.fail(error)
        return passage.feed(chunk) if chunk else passage.close()

    async def aclose(self) -> None:
        """Close the upstream's response, and its connection unless it was read to its end."""
        lease, self._lease = self._lease, None
        if lease is not None:
            if self.passage is not None and self.passage.error is not None:
                self._blame(lease, self.passage.error)
            lease.end()
        if self._response is not None:
            await self._response.aclose()

    def _blame(self, lease: Lease, error: UpstreamError) -> None:
        """A stream that broke off is held against its target; one that ran into the exchange's own end is not."""
        now_s = trio.current_time()
        if blame(error) is Blame.FAILED and now_s < self.deadlines.total_s:
            lease.failed(now_s, error)

    async def _read_error(self, response: UpstreamResponse) -> UpstreamError:
        if response.status < 400:
            return UpstreamBroke(f"The provider answered with the status {response.status}, which is no answer.")
        body = await response.read(ERROR_MAX_BYTES)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        headers.setdefault("date", formatdate(usegmt=True))  # received now (RFC 9110, 6.6.1)
        error = self.channel.dialect.decode_error(response.status, headers, body)
        if response.status == 429 and self.carriage.same:
            error.limits = [header for header in response.headers if header[0].startswith(_LIMITS)]
        return error


async def attempt(
    channel: Channel,
    target: Target,
    carriage: Carriage,
    path: bytes,
    headers: list[tuple[bytes, bytes]],
    deadlines: Deadlines,
) -> OpenAnswer:
    """Ask the target for its answer, and return it once its first event is there.

    Blocks until then, for `first_event_s` at most. Raises UpstreamError; on that and on cancellation everything
    that was opened is closed.
    """
    answer: OpenAnswer | None = None
    try:
        response = await channel.upstream.open(b"POST", path, headers, carriage.body, deadlines.first_event_s)
        answer = OpenAnswer(channel, target, carriage, deadlines, response)
        await answer.read()
        return answer
    except Overdue as late:
        if answer is not None:
            await answer.aclose()  # noqa: ASYNC120 (cancelled here, the cancellation is what counts)
        raise deadlines.error(begun=False) from late
    except BaseException as error:
        if answer is not None:
            await answer.aclose()
        if isinstance(error, UpstreamError):
            channel.redacted(error)
        raise


class Deadlines:
    """When what an attempt waits for is too late, on the event loop's clock.

    `total_s` is the whole exchange's; `client_s`, which may be infinite, is when its client wants it to be over.
    """

    __slots__ = ("client_s", "first_event_s", "timeouts", "total_s")

    def __init__(self, timeouts: Timeouts, started_s: float, now_s: float, client_s: float) -> None:
        self.timeouts = timeouts
        self.client_s = client_s
        self.total_s = min(client_s, started_s + timeouts.total_s)
        self.first_event_s = min(self.total_s, now_s + timeouts.first_event_s)

    def next_event_s(self) -> float:
        return min(self.total_s, trio.current_time() + self.timeouts.gap_s)

    def error(self, *, begun: bool) -> UpstreamTimeout:
        """Return what to tell once a deadline has passed; `begun` says whether it was in the middle of a stream."""
        timeouts = self.timeouts
        if trio.current_time() >= self.client_s:
            return client_timeout()
        if trio.current_time() >= self.total_s:
            return UpstreamTimeout(f"The provider took longer than total_s = {timeouts.total_s:g} for its answer.")
        if begun:
            return UpstreamTimeout(f"The provider stopped in mid-answer for longer than gap_s = {timeouts.gap_s:g}.")
        return UpstreamTimeout(f"The provider did not answer within first_event_s = {timeouts.first_event_s:g}.")


def client_timeout() -> UpstreamTimeout:
    """Return what is told when the time is over that the client itself has given."""
    return UpstreamTimeout("The answer took longer than x-gateway-timeout-s allows.", code="deadline_exceeded")


def _request_id(response: UpstreamResponse) -> bytes | None:
    """Return the provider's own id of the request, for its support."""
    value = response.header(b"x-request-id") or response.header(b"request-id")
    return value[:200] if value is not None and value.isascii() else None
