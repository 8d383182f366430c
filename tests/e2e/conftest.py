"""A gateway in front of simulated providers, on real sockets, in the test's own event loop."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve as serve_hypercorn

from tests.e2e.node_clients import node_modules  # noqa: F401 (fixture)
from tests.e2e.processes import mark, served, simulated  # noqa: F401 (fixtures)
from trio_gateway.app import GatewayApp, as_asgi, build_app
from trio_gateway.config import Config, validate
from trio_gateway.gateway import Gateway
from trio_gateway.ledger.record import Record
from trio_gateway.observe.logs import ExchangeLog
from trio_gateway.replies import refuse
from trio_gateway.server.serve import serve
from trio_gateway.simulator import Simulator, SimulatorConfig, serve_simulator

TOKEN = "tg-test-token"
KEY = "sk-upstream-0123456789"
MODELS = {"openai": "gpt-test", "anthropic": "claude-test", "ollama": "llama-test", "gemini": "gemini-test"}


class RecordingLog(ExchangeLog):
    """Keeps the records themselves."""

    def __init__(self) -> None:
        super().__init__("off", io.StringIO(), lambda: 0.0)
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        self.records.append(record)


class House(msgspec.Struct, frozen=True):
    """What a test has in its hands."""

    port: int
    simulator: Simulator
    gateway: Gateway
    records: list[Record]
    app: GatewayApp

    async def connect(self) -> Client:
        return await self.connect_to(self.port)

    async def connect_to(self, port: int) -> Client:
        return Client(await trio.open_tcp_stream("127.0.0.1", port))

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Reply:
        """Send one request on a connection of its own, and read the whole answer."""
        client = await self.connect()
        try:
            await client.send("POST", path, body, headers)
            return await client.read_reply()
        finally:
            await client.close()

    async def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Reply:
        client = await self.connect()
        try:
            await client.send(method, path, None, headers)
            return await client.read_reply()
        finally:
            await client.close()

    async def chat(self, model: str, text: str, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return await self.post("/v1/chat/completions", body, headers)


class Reply(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool  # it ended as its framing said it would

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def events(self) -> list[Any]:
        """The data of a stream's events; [DONE] as the text it is."""
        blocks = [block for block in self.body.decode().split("\n\n") if block.startswith("data: ")]
        return [block[6:] if block == "data: [DONE]" else msgspec.json.decode(block[6:]) for block in blocks]


class Client:
    """An HTTP/1.1 client that does what it is told and nothing else."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def send(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None = None, trailing: bytes = b""
    ) -> None:
        fields = {"host": "gateway", "authorization": f"Bearer {TOKEN}", **(headers or {})}
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
            fields.setdefault("content-length", str(len(data)))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        await self.stream.send_all(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data + trailing)

    async def read_until(self, needle: bytes) -> bytes:
        """Read until `needle` has come; return everything so far."""
        while needle not in self._buffer:
            chunk = await self.stream.receive_some(65536)
            assert chunk, f"the connection ended before {needle!r} came: {self._buffer!r}"
            self._buffer += chunk
        return self._buffer

    async def read_reply(self) -> Reply:
        head = (await self.read_until(b"\r\n\r\n")).split(b"\r\n\r\n", 1)[0].decode("latin-1")
        self._buffer = self._buffer[len(head.encode("latin-1")) + 4 :]
        status_line, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body, whole = await (self._chunked() if "transfer-encoding" in headers else self._sized(headers))
        return Reply(int(status_line.split(" ")[1]), headers, body, whole)

    async def _sized(self, headers: dict[str, str]) -> tuple[bytes, bool]:
        size = int(headers.get("content-length", "0"))
        while len(self._buffer) < size:
            chunk = await self.stream.receive_some(65536)
            if not chunk:
                return self._buffer, False
            self._buffer += chunk
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return body, True

    async def _chunked(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            while b"\r\n" not in self._buffer:
                chunk = await self.stream.receive_some(65536)
                if not chunk:
                    return body, False
                self._buffer += chunk
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            size = int(line, 16)
            while len(self._buffer) < size + 2:
                chunk = await self.stream.receive_some(65536)
                if not chunk:
                    return body, False
                self._buffer += chunk
            body += self._buffer[:size]
            self._buffer = self._buffer[size + 2 :]
            if size == 0:
                return body, True

    def reset(self) -> None:
        """Leave by RST."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()

    async def close(self) -> None:
        """Leave by FIN."""
        await trio.aclose_forcefully(self.stream)


def config_for(simulator: Simulator, **tables: Any) -> Config:
    """A channel for each provider; `tables` are merged into the document, table by table."""
    channels: dict[str, Any] = {
        provider: {
            "provider": provider,
            "base_url": simulator.origins[provider] + ("/v1" if provider == "openai" else ""),
            "api_key": KEY,
            "models": [model, f"{provider}-*"],
        }
        for provider, model in MODELS.items()
    }
    for name, changes in tables.pop("channels", {}).items():
        like = {"openai_compatible": "openai"}.get(changes.get("provider", ""), name)
        channels[name] = {**(channels.get(name) or channels.get(like, {})), **changes}
    document = {"auth": {"tokens": [TOKEN]}, "channels": channels, **tables}
    document["server"] = {"bind": "127.0.0.1:0", "drain_s": 5, **document.get("server", {})}
    return validate(document, {}, "test", Path())


@asynccontextmanager
async def open_house(
    under: str = "ours", simulator: dict[str, Any] | None = None, **tables: Any
) -> AsyncIterator[House]:
    """Simulated providers and a gateway, under our server or plain Hypercorn; everything is closed at the end."""
    async with trio.open_nursery() as nursery:
        settings = SimulatorConfig(providers=tuple(MODELS), api_key=KEY, **(simulator or {}))
        simulated: Simulator = await nursery.start(serve_simulator, settings)
        config = config_for(simulated, **tables)
        log = RecordingLog()
        app = build_app(config, log)
        shutdown, stopped = trio.Event(), trio.Event()

        async def serving(task_status: trio.TaskStatus[Any]) -> None:
            if under == "ours":
                await serve(as_asgi(app), config.server, shutdown=shutdown, refuse=refuse, task_status=task_status)
            else:
                hypercorn = HypercornConfig()
                hypercorn.bind = ["127.0.0.1:0"]
                hypercorn.accesslog = hypercorn.errorlog = None
                hypercorn.graceful_timeout = 1
                await serve_hypercorn(app, hypercorn, shutdown_trigger=shutdown.wait, task_status=task_status)

            stopped.set()

        started = await nursery.start(serving)
        binds = started.binds if under == "ours" else started
        port = int(str(binds[0]).rpartition(":")[2])
        yield House(port, simulated, app.gateway, log.records, app)
        shutdown.set()
        await stopped.wait()
        nursery.cancel_scope.cancel(reason="the test is over")


@pytest.fixture
def house() -> Callable[..., AbstractAsyncContextManager[House]]:
    return open_house
