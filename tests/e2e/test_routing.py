"""What routes do on real sockets: each failure at each moment, and the client's view of it."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_gateway.simulator import Simulator, SimulatorConfig, serve_simulator
from trio_gateway.simulator.script import Script

Houses = Callable[..., AbstractAsyncContextManager[Any]]

KEY = "sk-upstream-0123456789"
BREAKER = {"failures": 3, "cool_down_s": 100}
FAILS = Script(status=500, error_kind="server_error")


class Town(msgspec.Struct, frozen=True):
    """A gateway whose channels a, b, c lead to upstreams of their own."""

    house: Any
    upstreams: dict[str, Any]

    def asked(self) -> str:
        """The channels in the order in which requests reached their simulators."""
        seen = [
            (request.received_at, name)
            for name, upstream in self.upstreams.items()
            if isinstance(upstream, Simulator)
            for request in upstream.observer.requests
        ]
        return "".join(name for _, name in sorted(seen))

    def state(self, name: str) -> Any:
        return next(state for state in self.house.gateway.targets if state.target.channel == name)

    async def chat(self, text: str = "Hello", model: str = "r", headers: Any = None, **fields: Any) -> Any:
        return await self.house.chat(model, text, headers, **fields)


@pytest.fixture
def town(house: Houses) -> Callable[..., AbstractAsyncContextManager[Town]]:
    """Upstreams are scripts of simulated providers, base URLs, or behaviours of bare listeners."""

    @asynccontextmanager
    async def build(
        route: dict[str, Any] | None = None, routes: Any = None, keys: Any = None, **upstreams: Any
    ) -> AsyncIterator[Town]:
        async with trio.open_nursery() as nursery:
            built: dict[str, Any] = {}
            for name, what in upstreams.items():
                if isinstance(what, str):
                    built[name] = what
                elif isinstance(what, Script):
                    settings = SimulatorConfig(providers=("openai",), script=what, api_key="")
                    built[name] = await nursery.start(serve_simulator, settings)
                else:
                    built[name] = await nursery.start(serve_bare, what)
            channels = {
                name: {
                    "provider": "openai",
                    "base_url": (one.origins["openai"] if isinstance(one, Simulator) else one) + "/v1",
                    "models": [f"{name}-*"],
                    **({"api_keys": keys} if keys else {"api_key": KEY}),
                }
                for name, one in built.items()
            }
            targets = [{"channel": name, "model": f"{name}-m"} for name in built]
            default = {"model": "r", "strategy": "ordered", "targets": targets, "retry": {"backoff_s": 0.001}}
            tables = [{**default, **(route or {})}, *(routes or [])]
            async with house(channels=channels, routes=tables, breaker=BREAKER) as running:
                yield Town(running, built)
            nursery.cancel_scope.cancel(reason="the test is over")

    return build


async def serve_bare(behave: Any, task_status: trio.TaskStatus[str]) -> None:
    """Hand each connection whose request has come to `behave`."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def handle(stream: trio.SocketStream) -> None:
        while await read_request(stream):
            if not await behave(stream):
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        task_status.started(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")


async def read_request(stream: trio.SocketStream) -> bytes:
    """Read a whole request; b"" at the connection's end."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            chunk = await stream.receive_some(65536)
        except trio.BrokenResourceError:
            return b""
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
    while len(body) < size:
        body += await stream.receive_some(65536)
    return head + b"\r\n\r\n" + body


async def reset_before_headers(stream: trio.SocketStream) -> bool:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()
    return False


async def close_before_headers(stream: trio.SocketStream) -> bool:
    await stream.aclose()
    return False


async def reset_in_headers(stream: trio.SocketStream) -> bool:
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-ty")
    return await reset_before_headers(stream)


def refusing() -> str:
    """The URL of a port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


SILENT = {"timeouts": {"first_event_s": 0.2}}
HEALTHY = Script(text="From the healthy one.")

# What the first target does before its first event. All lead to the second within the request.
FAILURES: dict[str, Any] = {
    "refused": (refusing, {}),
    "reset before headers": (reset_before_headers, {}),
    "closed before headers": (close_before_headers, {}),
    "reset in the headers": (reset_in_headers, {}),
    "429": (Script(status=429, retry_after_s=0), {}),
    "429 for long": (Script(status=429, retry_after_s=3000), {}),
    "500": (FAILS, {}),
    "503": (Script(status=503), {}),
    "529": (Script(status=529), {}),
    "401": (Script(status=401), {}),
    "403": (Script(status=403), {}),
    "an error in a 200": (Script(error_in_200=True), {}),
    "silence before headers": (Script(silence="headers"), SILENT),
    "silence after headers": (Script(silence="body"), SILENT),
    "cut before the first event": (Script(fail_how="cut"), {}),
    "an end without an answer": (Script(fail_how="eof"), {}),
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_before_the_first_event_moves_to_the_next_target(town: Any, failure: str, stream: bool) -> None:
    first, route = FAILURES[failure]
    async with town(route, a=first() if first is refusing else first, b=HEALTHY) as running:
        reply = await running.chat(stream=stream)
        assert reply.status == 200, reply.body
        assert reply.whole
        if stream:
            *chunks, done = reply.events()
            assert done == "[DONE]"
            assert all("error" not in chunk for chunk in chunks)
            assert len({chunk["id"] for chunk in chunks}) == 1, "nothing of the failed attempt leaks"
            said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        else:
            said = reply.json()["choices"][0]["message"]["content"]
        assert said == "From the healthy one."
        assert (reply.headers["x-gateway-channel"], reply.headers["x-gateway-attempts"]) == ("b", "2")
        assert reply.headers["x-gateway-model"] == "b-m"
        assert running.asked().replace("a", "") == "b"
        (record,) = running.house.records
        assert (record.outcome, record.channel, record.attempts) == ("ok", "b", 2)
        (tried,) = record.tried
        assert tried.startswith("a/a-m: ")
        await wait_all_tasks_blocked(0.01)
        assert running.house.gateway.channels["a"].upstream.in_use == 0
        assert [running.state(name).in_flight for name in "ab"] == [0, 0]


@pytest.mark.parametrize("how", ["cut", "fin", "error"])
async def test_a_failure_after_the_first_event_is_told_and_goes_nowhere_else(town: Any, how: str) -> None:
    async with town(a=Script(text="one two three", chunks=3, fail_how=how, fail_after=2), b=HEALTHY) as running:
        reply = await running.chat(stream=True)
        assert reply.status == 200
        assert "error" in reply.events()[-1]
        assert running.asked() == "a"
        (record,) = running.house.records
        assert (record.outcome, record.channel, record.attempts) == ("upstream_error", "a", 1)


async def test_streams_that_break_off_open_the_breaker(town: Any) -> None:
    async with town(a=Script(text="one two three", chunks=3, fail_how="cut", fail_after=2), b=HEALTHY) as running:
        for _ in range(4):
            await running.chat(stream=True)
        assert running.asked() == "aaaa", "each had begun well, so that they are no failures in a row"
        assert running.state("a").breaker.state.value == "closed"


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_the_clients_own_fault_is_told_at_once(town: Any, status: int) -> None:
    async with town(a=Script(status=status), b=HEALTHY) as running:
        reply = await running.chat()
        assert reply.status == status
        assert running.asked() == "a"
        assert reply.headers["x-gateway-attempts"] == "1"
        assert "Tried:" not in reply.json()["error"]["message"]


async def test_when_all_fail_the_most_telling_error_comes_with_a_line_for_each(town: Any) -> None:
    route = {"retry": {"attempts": 4, "backoff_s": 0.001, "backoff_max_s": 0.5}}
    limited = Script(status=429, retry_after_s=7)
    async with town(route, a=refusing(), b=limited, c=FAILS) as running:
        reply = await running.chat()
        assert reply.status == 429
        assert reply.headers["retry-after"] == "7"
        assert reply.headers["x-gateway-attempts"] == "4"
        lines = reply.json()["error"]["message"].split("\n")
        assert [line[: line.index("/")] for line in lines[2:]] == ["1. a", "2. b", "3. c", "4. a"]
        assert KEY not in reply.body.decode()
        assert running.asked() == "bc"
        (record,) = running.house.records
        assert (record.outcome, record.attempts, len(record.tried)) == ("upstream_error", 4, 4)
        assert all("Tried:" not in line for line in record.tried)


async def test_a_single_target_cools_down_and_requests_fail_fast(town: Any) -> None:
    async with town({"retry": {"attempts": 1}}, a=FAILS) as running:
        assert [(await running.chat()).status for _ in range(3)] == [500] * 3
        reply = await running.chat()
        assert reply.status == 503
        assert 90 <= int(reply.headers["retry-after"]) <= 100
        assert reply.json()["error"]["code"] == "target_resting"
        assert running.asked() == "aaa"


async def test_a_channel_without_a_route_cools_down_too(town: Any) -> None:
    async with town(a=FAILS) as running:
        statuses = [(await running.chat(model="a-x")).status for _ in range(5)]
        assert statuses == [500, 500, 500, 503, 503]
        assert (await running.chat(model="a-y")).status == 500, "another model is another target"


async def test_a_resting_target_is_not_asked_while_another_can_serve(town: Any) -> None:
    async with town(a=FAILS, b=HEALTHY) as running:
        for _ in range(6):
            assert (await running.chat()).status == 200
        assert running.asked() == "abababbbb"


async def test_clients_that_leave_are_no_failures(town: Any) -> None:
    async with town(a=Script(silence="headers"), b=HEALTHY) as running:
        for _ in range(10):
            client = await running.house.connect()
            await client.send(
                "POST", "/v1/chat/completions", {"model": "r", "messages": [{"role": "user", "content": "Hi"}]}
            )
            await running.upstreams["a"].observer.wait_until(
                lambda: (
                    running.upstreams["a"].observer.open_connections > 0
                    and running.upstreams["a"].observer.connections[-1].moment == "before_head"
                )
            )
            await client.close()
            with trio.fail_after(5):
                await running.upstreams["a"].observer.wait_closed()
        await wait_all_tasks_blocked(0.01)
        state = running.state("a")
        assert state.breaker.at_rest
        assert state.in_flight == 0
        assert [record.outcome for record in running.house.records] == ["cancelled"] * 10


async def test_a_refused_key_is_benched_and_the_others_go_on(town: Any) -> None:
    used: list[bytes] = []

    answer = b'{"id":"x","object":"chat.completion","choices":[]}'

    async def serve(task_status: trio.TaskStatus[str]) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def handle(stream: trio.SocketStream) -> None:
            while request := await read_request(stream):
                key = request.split(b"Bearer ")[1].split(b"\r\n")[0]
                used.append(key)
                bad, limit = key == b"k1", b"x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 9m0s\r\n"
                body = b'{"error":{"message":"Incorrect API key provided: k1"}}' if bad else answer
                head = b"HTTP/1.1 401 No\r\n" if bad else b"HTTP/1.1 200 OK\r\n" + (limit if key == b"k2" else b"")
                await stream.send_all(head + b"content-length: %d\r\n\r\n%b" % (len(body), body))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, handle, [listener])
            task_status.started(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")

    async with trio.open_nursery() as nursery:
        url: str = await nursery.start(serve)
        async with town(keys=["k1", "k2", "k3"], a=url) as running:
            replies = [await running.chat(model="a-m") for _ in range(4)]
        nursery.cancel_scope.cancel(reason="the test is over")
    assert [reply.status for reply in replies] == [200] * 4
    assert used == [b"k1", b"k2", b"k3", b"k3", b"k3"], "k1 is benched, and k2 has used up its limit"


async def test_a_target_takes_so_many_at_once_and_lets_so_many_wait(town: Any) -> None:
    target = {"channel": "a", "model": "a-m", "max_concurrency": 2, "queue_max": 1, "queue_wait_s": 30}
    async with town({"targets": [target]}, a=Script(silence="headers")) as running:
        clients = []
        body = {"model": "r", "messages": [{"role": "user", "content": "Hi"}]}
        observer = running.upstreams["a"].observer
        for count in (1, 2):
            clients.append(await running.house.connect())
            await clients[-1].send("POST", "/v1/chat/completions", body)
            await observer.wait_until(lambda count=count: observer.open_connections == count)
        waiting = await running.house.connect()
        await waiting.send("POST", "/v1/chat/completions", body)
        places = running.state("a").places
        with trio.fail_after(5):
            while not places.waiting:
                await trio.lowlevel.checkpoint()
        refused = await running.chat()
        assert (refused.status, refused.json()["error"]["code"]) == (429, "target_full")
        assert int(refused.headers["retry-after"]) >= 1
        await waiting.close()
        await wait_all_tasks_blocked(0.01)
        assert (places.taken, places.waiting) == (2, 0), "who leaves the queue makes room at once"
        for client in clients:
            await client.close()
        with trio.fail_after(5):
            await observer.wait_closed()
        await wait_all_tasks_blocked(0.01)
        assert places.taken == 0


async def test_who_waits_for_too_long_goes_to_the_next_target(town: Any) -> None:
    target = {"channel": "a", "model": "a-m", "max_concurrency": 1, "queue_wait_s": 0.05}
    fallback = [{"channel": "b", "model": "b-m"}]
    async with town({"targets": [target], "fallback": fallback}, a=Script(silence="headers"), b=HEALTHY) as running:
        holder = await running.house.connect()
        await holder.send(
            "POST", "/v1/chat/completions", {"model": "r", "messages": [{"role": "user", "content": "Hi"}]}
        )
        observer = running.upstreams["a"].observer
        await observer.wait_until(lambda: observer.open_connections == 1)
        reply = await running.chat()
        assert (reply.status, reply.headers["x-gateway-channel"]) == (200, "b")
        await holder.close()


async def test_a_slow_target_is_raced_and_the_loser_is_closed(town: Any) -> None:
    hedge = {"hedge": {"after_s": 0.05, "budget": 1.0}}
    async with town(hedge, a=Script(silence="headers"), b=HEALTHY) as running:
        for stream in (True, False):
            reply = await running.chat(stream=stream)
            assert (reply.status, reply.headers["x-gateway-channel"]) == (200, "b")
            with trio.fail_after(0.1):
                await running.upstreams["a"].observer.wait_closed()
            record = running.house.records[-1]
            assert (record.outcome, record.attempts, record.hedges) == ("ok", 2, 1)
            assert "another answered first" in record.tried[0]
        await wait_all_tasks_blocked(0.01)
        state = running.state("a")
        assert (state.in_flight, state.breaker.at_rest) == (0, True), "losing is no failure"
        assert running.house.gateway.channels["a"].upstream.in_use == 0


async def test_a_fast_target_is_not_raced(town: Any) -> None:
    async with town({"hedge": {"after_s": 10, "budget": 1.0}}, a=HEALTHY, b=HEALTHY) as running:
        for _ in range(5):
            assert (await running.chat()).status == 200
        assert running.asked() == "aaaaa"


async def test_the_hedge_budget_bounds_the_extra_load(town: Any) -> None:
    hedge = {"hedge": {"after_s": 0.01, "budget": 0.1}}
    async with town(hedge, a=Script(latency_s=0.05), b=HEALTHY) as running:
        for _ in range(15):
            assert (await running.chat()).status == 200
        assert Counter(running.asked())["b"] <= 1 + 15 * 0.1


async def test_a_failing_hedge_leaves_the_first_attempt_alone(town: Any) -> None:
    hedge = {"hedge": {"after_s": 0.02, "budget": 1.0}}
    async with town(hedge, a=Script(text="Slow and steady.", latency_s=0.2), b=FAILS) as running:
        reply = await running.chat()
        assert reply.status == 200
        assert reply.json()["choices"][0]["message"]["content"] == "Slow and steady."
        assert running.asked() == "ab"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
async def test_a_client_that_leaves_a_race_closes_all_of_it(town: Any, stream: bool) -> None:
    silent = Script(silence="headers")
    async with town({"hedge": {"after_s": 0.02, "budget": 1.0}}, a=silent, b=silent) as running:
        client = await running.house.connect()
        body = {"model": "r", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
        await client.send("POST", "/v1/chat/completions", body)
        observers = [running.upstreams[name].observer for name in "ab"]
        for observer in observers:
            await observer.wait_until(lambda observer=observer: observer.open_connections == 1)
        await client.close()
        for observer in observers:
            with trio.fail_after(1):
                await observer.wait_closed()
        await wait_all_tasks_blocked(0.01)
        assert [running.state(name).in_flight for name in "ab"] == [0, 0]
        assert running.house.records[0].outcome == "cancelled"


async def test_a_user_stays_with_one_target(town: Any) -> None:
    async with town({"sticky": "user"}, a=HEALTHY, b=HEALTHY, c=HEALTHY) as running:
        where: dict[str, set[str]] = {}
        for user in [f"user-{number % 8}" for number in range(24)]:
            reply = await running.chat(user=user)
            where.setdefault(user, set()).add(reply.headers["x-gateway-channel"])
        assert all(len(channels) == 1 for channels in where.values())
        assert len(set.union(*where.values())) > 1


async def test_a_pattern_carries_the_models_name_over(town: Any) -> None:
    routes = [{"model": "gpt-*", "targets": [{"channel": "a", "model": "a-*"}]}]
    async with town(routes=routes, a=HEALTHY) as running:
        reply = await running.chat(model="gpt-5")
        assert reply.headers["x-gateway-model"] == "a-5"
        (request,) = running.upstreams["a"].observer.requests
        assert msgspec.json.decode(request.body)["model"] == "a-5"


async def test_a_provider_that_dies_under_load_loses_no_request_that_had_a_fallback(town: Any) -> None:
    alive = True

    async def until_it_dies(stream: trio.SocketStream) -> bool:
        if not alive:
            return await reset_before_headers(stream)
        await trio.sleep(0.01)
        body = b'{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"content":"alive"}}]}'
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        return True

    async with town({"strategy": "weighted"}, a=until_it_dies, b=Script(latency_s=0.01)) as running:
        statuses: Counter[int] = Counter()
        done = 0

        async def client() -> None:
            nonlocal done, alive
            for _ in range(3):
                statuses[(await running.chat()).status] += 1
                done += 1
                if done == 150:
                    alive = False

        async with trio.open_nursery() as clients:
            for _ in range(200):
                clients.start_soon(client)
        assert statuses == {200: 600}
        assert running.state("a").breaker.state.value == "open"
        assert {record.outcome for record in running.house.records} == {"ok"}
