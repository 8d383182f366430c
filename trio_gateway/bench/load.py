"""Requests at a given concurrency, closed loop: a client asks again as soon as it has been answered."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
import trio

from trio_gateway.bench.figures import Figures, Sample, figures
from trio_gateway.errors import GatewayError
from trio_gateway.transport.upstream import Upstream, UpstreamSettings

ANSWER_MAX_BYTES = 64 * 1024 * 1024


class Endpoint(msgspec.Struct, frozen=True):
    """Where the load goes. `url` is a base URL as OpenAI's SDK takes it, ending in /v1."""

    url: str
    key: str
    model: str


class Load(msgspec.Struct, frozen=True):
    """What is asked, how often at once, and for how long."""

    concurrency: int = 1
    duration_s: float = 5.0
    stream: bool = False
    prompt: str = "Say hello."
    requests_max: int = 1_000_000


class Target:
    """An endpoint under load. Whoever made it closes it."""

    def __init__(self, endpoint: Endpoint, load: Load) -> None:
        split = urlsplit(endpoint.url)
        self._upstream = Upstream(
            UpstreamSettings(
                base_url=f"{split.scheme}://{split.netloc}",
                connections_max=load.concurrency + 8,
                idle_max=load.concurrency + 8,
            )
        )
        self._path = (split.path.rstrip("/") + "/chat/completions").encode("ascii")
        self._headers = [
            (b"host", split.netloc.encode("ascii")),
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer " + endpoint.key.encode("ascii")),
        ]
        messages = [{"role": "user", "content": load.prompt}]
        self._body = msgspec.json.encode({"model": endpoint.model, "stream": load.stream, "messages": messages})
        self.samples: list[Sample] = []

    async def aclose(self) -> None:
        await self._upstream.aclose()

    async def ask(self) -> None:
        """Send one request and read its answer; what happened is a sample, whatever happened."""
        begun_s = trio.current_time()
        first_s = 0.0
        events = 0
        error = ""
        try:
            response = await self._upstream.open(b"POST", self._path, self._headers, self._body)
            try:
                while chunk := await response.receive_some():
                    first_s = first_s or trio.current_time()
                    events += chunk.count(b"data: ") or 1
                if response.status != 200:
                    error = f"status {response.status}"
            finally:
                await response.aclose()
        except GatewayError as failure:
            error = type(failure).__name__
        ended_s = trio.current_time()
        self.samples.append(Sample((first_s or ended_s) - begun_s, ended_s - begun_s, events, error))


async def run_load(
    endpoints: dict[str, Endpoint], load: Load, on_progress: Callable[[str, int], None] = lambda _name, _count: None
) -> dict[str, Figures]:
    """Put the load on each endpoint, and return the figures of each.

    Several endpoints take turns, request by request, so that what disturbs the machine disturbs them alike.
    Blocks for `duration_s`, and for the requests then under way.
    """
    targets = {name: Target(endpoint, load) for name, endpoint in endpoints.items()}
    begun_s = trio.current_time()
    ends_s = begun_s + load.duration_s

    async def client() -> None:
        while trio.current_time() < ends_s:
            for name, target in targets.items():
                if len(target.samples) >= load.requests_max:
                    return
                await target.ask()
                on_progress(name, len(target.samples))

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(load.concurrency):
                nursery.start_soon(client)
        # Taking turns, each has had its share of the time only.
        spent = {name: sum(sample.total_s for sample in target.samples) for name, target in targets.items()}
        whole_s = sum(spent.values()) or 1.0
        elapsed_s = trio.current_time() - begun_s
        return {name: figures(target.samples, elapsed_s * spent[name] / whole_s) for name, target in targets.items()}
    finally:
        for target in targets.values():
            await target.aclose()
