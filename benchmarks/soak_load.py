"""Clients of every kind against one gateway: those that stay, those that leave, and those that misbehave. Seeded."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections import Counter
from typing import Any

import httptools
import msgspec
import trio
from loads import TOKEN

PATIENCE_S = 30.0
"""After so long without an end, an answer counts as lost."""

MODELS = ("openai-soak", "anthropic-soak", "ollama-soak", "gemini-soak")
KINDS = {"plain": 32, "stream": 28, "leave": 20, "fault": 14, "garbage": 5, "stall": 1}
FAULTS = (
    "status=500", "status=503", "status=429 retry_after=0.1", "error_in_200=yes",
    "fail=error@2", "fail=cut@1", "fail=cut@2", "fail=eof@2", "fail=fin@2", "fail=silence@2",
    "silence=headers", "silence=body",
)  # fmt: skip
TAILS = ("chunks=80 gap_ms=5", "chunks=5000", "silence=headers", "silence=body", "latency_ms=40", "first_ms=30")
LEAVES_WITHIN_S = 0.15
STALLS_S = 1.5  # longer than the gateway's write_stall_s

_RESET = struct.pack("ii", 1, 0)


class Loss(msgspec.Struct):
    """An exchange that should have had its answer, and had not. Times are of time.monotonic."""

    what: str
    port: int  # of the client's socket
    opened_s: float
    failed_s: float


class Tally(msgspec.Struct):
    """What the clients did and got."""

    done: Counter[str] = msgspec.field(default_factory=Counter)
    statuses: Counter[int] = msgspec.field(default_factory=Counter)
    losses: list[Loss] = []
    retried: int = 0
    """Requests sent again, as any client does: their kept-alive connection was closed before a byte of the answer."""
    refused: int = 0
    """Connections not taken: nobody listened just then."""


class Lost(Exception):
    """The answer did not come as it should have."""


class Gone(Exception):
    """The connection ended. `begun`: after a byte of the answer."""

    def __init__(self, begun: bool) -> None:
        super().__init__("the connection ended in mid-answer" if begun else "the connection ended without an answer")
        self.begun = begun


class Answer:
    """The callbacks of httptools: one answer."""

    def __init__(self) -> None:
        self.begun = self.whole = False
        self.body = bytearray()
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True

    @property
    def status(self) -> int:
        return int(self.parser.get_status_code())


class Link:
    """One keep-alive connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.opened_s = time.monotonic()
        self.port = int(stream.socket.getsockname()[1])
        self.asked = 0

    async def send(self, request: bytes) -> None:
        self.asked += 1
        try:
            await self.stream.send_all(request)
        except trio.BrokenResourceError:
            raise Gone(begun=False) from None

    async def read(self) -> Answer:
        answer = Answer()
        while not answer.whole:
            try:
                data = await self.stream.receive_some(65_536)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                raise Gone(answer.begun)
            answer.begun = True
            answer.parser.feed_data(data)
        return answer

    def reset(self) -> None:
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.stream.socket.close()

    async def close(self) -> None:
        await trio.aclose_forcefully(self.stream)


class Ask(msgspec.Struct):
    """A request in one dialect, and how a whole stream of that dialect ends."""

    request: bytes
    ending: bytes


def ask(chance: random.Random, directive: str, stream: bool) -> Ask:
    """Return a request for any model in any dialect."""
    model = chance.choice(MODELS)
    text = f"Say something. [sim: {directive}]" if directive else "Say something."
    messages = [{"role": "user", "content": text}]
    body: dict[str, Any]
    match chance.choice(("chat", "chat", "messages", "responses", "ollama", "gemini")):
        case "chat":
            path, ending = "/v1/chat/completions", b"data: [DONE]"
            body = {"model": model, "messages": messages, "stream": stream}
        case "messages":
            path, ending = "/v1/messages", b"message_stop"
            body = {"model": model, "max_tokens": 4096, "messages": messages, "stream": stream}
        case "responses":
            path, ending = "/v1/responses", b"response.completed"
            body = {"model": model, "input": text, "stream": stream, "store": False}
        case "ollama":
            path, ending = "/api/chat", b'"done":true'
            body = {"model": model, "messages": messages, "stream": stream}
        case _:
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            path, ending = f"/v1beta/models/{model}:{verb}", b'"finishReason"'
            body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    data = msgspec.json.encode(body)
    head = f"POST {path} HTTP/1.1\r\nhost: soak\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {len(data)}\r\n\r\n"
    return Ask(head.encode() + data, ending)


class Client:
    """One after the other, whatever chance says, until told to stop."""

    def __init__(self, port: int, seed: str, tally: Tally, stop: trio.Event) -> None:
        self._port = port
        self._chance = random.Random(seed)
        self._tally = tally
        self._stop = stop
        self._link: Link | None = None

    async def run(self) -> None:
        try:
            while not self._stop.is_set():
                (kind,) = self._chance.choices(list(KINDS), KINDS.values())
                await getattr(self, f"_{kind}")()
                self._tally.done[kind] += 1
                if self._link is not None and self._chance.random() < 0.05:
                    await self._let_go()
        finally:
            await self._let_go()

    async def _connect(self) -> Link:
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", self._port)
                return Link(stream)
            except OSError:
                self._tally.refused += 1
                await trio.sleep(0.05)

    async def _let_go(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with trio.move_on_after(1, shield=True):
                await link.close()

    async def _answer(self, request: bytes) -> Answer:
        """Ask on the kept connection, once more on a new one where that was closed meanwhile. Notes a loss."""
        while True:
            link = self._link = self._link or await self._connect()
            fresh = link.asked == 0
            problem = ""
            try:
                with trio.fail_after(PATIENCE_S):
                    await link.send(request)
                    answer = await link.read()
                if not answer.parser.should_keep_alive():
                    await self._let_go()
                self._tally.statuses[answer.status] += 1
                return answer
            except Gone as gone:
                await self._let_go()
                if not fresh and not gone.begun:
                    self._tally.retried += 1
                    continue
                problem = str(gone)
            except httptools.HttpParserError as error:
                problem = f"the answer is no HTTP: {error}"
            except trio.TooSlowError:
                problem = f"no whole answer within {PATIENCE_S:g} s"
            await self._let_go()
            self._lose(link, f"{problem}; asked: {request[:40]!r}…{request[-160:]!r}")
            raise Lost

    def _lose(self, link: Link, what: str) -> None:
        self._tally.losses.append(Loss(what, link.port, link.opened_s, time.monotonic()))

    async def _ask_well(self, stream: bool) -> None:
        pace = self._chance.choice(("", "", "latency_ms=5", "gap_ms=2", "chunks=30 gap_ms=1"))
        wanted = ask(self._chance, pace, stream)
        self._link = link = self._link or await self._connect()
        try:
            answer = await self._answer(wanted.request)
        except Lost:
            return
        if answer.status != 200 or (stream and wanted.ending not in answer.body):
            end = bytes(answer.body[-200:])
            self._lose(self._link or link, f"{answer.status} {end!r}; asked: {wanted.request[-160:]!r}")

    async def _plain(self) -> None:
        await self._ask_well(stream=False)

    async def _stream(self) -> None:
        await self._ask_well(stream=True)

    async def _fault(self) -> None:
        """The provider fails: the client must be told, by a status or in the stream."""
        stream = self._chance.random() < 0.6
        directive = self._chance.choice(FAULTS)
        wanted = ask(self._chance, directive, stream)
        self._link = link = self._link or await self._connect()
        try:
            answer = await self._answer(wanted.request)
        except Lost:
            return
        if answer.status == 200 and b"error" not in answer.body.lower():
            self._lose(self._link or link, f"a failed provider passed for an answer: {wanted.request[-160:]!r}")

    async def _leave(self) -> None:
        """Go at any moment, in either way, perhaps with half a request sent or half an answer read."""
        chance = self._chance
        await self._let_go()
        link = await self._connect()
        request = ask(chance, chance.choice(TAILS), chance.random() < 0.7).request
        request += chance.choice((b"", b"", b"\r\n", request, request[:50]))
        cut = len(request) if chance.random() < 0.85 else chance.randrange(len(request))
        reads = chance.random() < 0.6
        try:
            with trio.move_on_after(chance.random() * LEAVES_WITHIN_S):
                await link.send(request[:cut])
                while reads and await link.stream.receive_some(65_536):
                    pass
                await trio.sleep_forever()
        except (Gone, trio.BrokenResourceError):
            pass
        if chance.random() < 0.5:
            link.reset()
        else:
            await link.close()

    async def _garbage(self) -> None:
        """Send what is no request, and read until the gateway has closed."""
        await self._let_go()
        link = await self._connect()
        garbage = self._chance.choice((b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01")) + self._chance.randbytes(200)
        try:
            with trio.fail_after(PATIENCE_S):
                await link.send(garbage + b"\r\n\r\n")
                while await link.stream.receive_some(65_536):
                    pass
        except (Gone, trio.BrokenResourceError):
            pass
        except trio.TooSlowError:
            self._lose(link, f"garbage was kept for {PATIENCE_S:g} s: {garbage[:60]!r}")
        await link.close()

    async def _stall(self) -> None:
        """Read nothing for longer than the gateway allows, of more than the sockets hold."""
        await self._let_go()
        link = await self._connect()
        link.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            await link.send(ask(self._chance, "chunks=40000", True).request)
        except Gone:
            pass
        with trio.move_on_after(STALLS_S):
            await self._stop.wait()
        await link.close()


async def run_clients(port: int, *, clients: int, seed: str, stop: trio.Event, tally: Tally) -> None:
    """Keep `clients` of them busy until `stop`; each finishes what it is at."""
    async with trio.open_nursery() as nursery:
        for number in range(clients):
            nursery.start_soon(Client(port, f"{seed} {number}", tally, stop).run)
