"""Deadlines, comments on slow streams, shared answers, and configurations that change while requests run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.e2e.apis import APIS
from trio_gateway.config import validate
from trio_gateway.errors import ConfigError
from trio_gateway.reload import Reloader

Houses = Callable[..., AbstractAsyncContextManager[Any]]

TARGET = {"channel": "openai", "model": "gpt-test"}
SHARED = {"model": "r", "targets": [TARGET], "coalesce": True, "retry": {"attempts": 1}}
PATH = "/v1/chat/completions"


def body(text: str, **members: Any) -> dict[str, Any]:
    return {"model": "r", "messages": [{"role": "user", "content": text}], "temperature": 0, **members}


@pytest.fixture
def shared(house: Houses) -> Callable[..., AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def build(**tables: Any) -> AsyncIterator[Any]:
        async with house(routes=[SHARED], **tables) as running:
            yield running

    return build


# ------------------------------------------------------------------------------------------------ deadlines


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
async def test_the_clients_timeout_bounds_the_wait_for_an_answer(house: Houses, stream: bool) -> None:
    async with house() as running:
        reply = await running.chat("gpt-test", "[sim: silence=headers]", {"x-gateway-timeout-s": "0.1"}, stream=stream)
        assert (reply.status, reply.json()["error"]["code"]) == (504, "deadline_exceeded")
        with trio.fail_after(5):
            await running.simulator.observer.wait_closed()
        (state,) = running.gateway.targets
        assert state.breaker.at_rest, "the provider had no fair chance"
        assert running.records[0].outcome == "timeout"


async def test_the_clients_timeout_bounds_backoffs_too(house: Houses) -> None:
    route = {"model": "r", "targets": [TARGET], "retry": {"attempts": 3, "backoff_s": 100, "backoff_max_s": 100}}
    async with house(routes=[route]) as running:
        reply = await running.chat("r", "[sim: status=500]", {"x-gateway-timeout-s": "5"})
        assert reply.status == 500, "it is told at once: the wait would be too long"
        assert reply.headers["x-gateway-attempts"] == "1"


async def test_a_stream_past_the_clients_timeout_ends_in_band(house: Houses) -> None:
    async with house() as running:
        headers = {"x-gateway-timeout-s": "0.3"}
        reply = await running.chat("gpt-test", "[sim: chunks=1000 gap_ms=20]", headers, stream=True)
        assert reply.status == 200
        assert "x-gateway-timeout-s" in reply.events()[-1]["error"]["message"]
        (state,) = running.gateway.targets
        assert state.breaker.at_rest


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf", ""])
async def test_a_timeout_that_is_no_time_is_refused(house: Houses, value: str) -> None:
    async with house() as running:
        reply = await running.chat("gpt-test", "Hi", {"x-gateway-timeout-s": value})
        assert reply.status == 400
        assert running.simulator.observer.requests == []


# ------------------------------------------------------------------------------- comments on slow streams


async def test_a_slow_stream_is_kept_alive_by_comments(house: Houses) -> None:
    async with house(timeouts={"keep_alive_s": 0.04}) as running:
        reply = await running.chat("gpt-test", "Hello [sim: latency_ms=300]", stream=True)
        assert reply.status == 200
        assert reply.whole
        assert 2 <= reply.body.count(b": waiting") <= 10
        assert reply.events()[-1] == "[DONE]"
        assert reply.body.index(b"data: ") > reply.body.rindex(b": waiting")
        assert (running.records[0].outcome, running.records[0].channel) == ("ok", "openai")


async def test_an_error_after_comments_is_told_in_band(house: Houses) -> None:
    async with house(timeouts={"keep_alive_s": 0.04}) as running:
        reply = await running.chat("gpt-test", "Hello [sim: latency_ms=200 status=500]", stream=True)
        assert reply.status == 200
        (event,) = reply.events()
        assert "error" in event
        assert running.records[0].outcome == "upstream_error"


async def test_plain_requests_and_fast_streams_get_no_comment(house: Houses) -> None:
    async with house(timeouts={"keep_alive_s": 0.04}) as running:
        plain = await running.chat("gpt-test", "Hello [sim: latency_ms=200]")
        assert plain.json()["choices"]
        fast = await running.chat("gpt-test", "Hello [sim: chunks=10 gap_ms=30]", stream=True)
        assert b": waiting" not in fast.body


async def test_who_leaves_while_comments_are_sent_is_seen(house: Houses) -> None:
    async with house(timeouts={"keep_alive_s": 0.04}) as running:
        await wait_all_tasks_blocked(0.005)
        client = await running.connect()
        await client.send("POST", PATH, {**body("Hi [sim: silence=headers]", stream=True), "model": "gpt-test"})
        await client.read_until(b": waiting")
        await client.close()
        with trio.fail_after(1):
            await running.simulator.observer.wait_closed()
        with trio.fail_after(1):
            while not running.records:
                await trio.lowlevel.checkpoint()
        assert running.records[0].outcome == "cancelled"


@pytest.mark.parametrize("api", APIS)
async def test_only_clients_whose_api_has_comments_get_them(house: Houses, api: str) -> None:
    spoken = APIS[api]
    async with house(timeouts={"keep_alive_s": 0.04}) as running:
        reply = await running.post(
            spoken.path("gpt-test", True), spoken.body("gpt-test", "Hello [sim: latency_ms=300]", True)
        )
        assert reply.status == 200
        assert (b": waiting" in reply.body) is (spoken.media_type == "text/event-stream" and api != "gemini")
        assert "".join(spoken.piece(event) for event in spoken.events(reply.body)).startswith("You said")


SLOW_AND_LOSSY = {
    "model": "gpt-test",
    "max_tokens": 100,
    "top_k": 5,
    "stream": True,
    "messages": [{"role": "user", "content": "Hello [sim: latency_ms=300]"}],
}


async def test_a_head_that_leaves_before_the_first_event_says_where_the_request_went_and_what_was_left_out(
    house: Houses,
) -> None:
    async with house(timeouts={"keep_alive_s": 0.04}) as running:
        reply = await running.post("/v1/messages", SLOW_AND_LOSSY)
        assert b": waiting" in reply.body
        headers = reply.headers
        assert (headers["x-gateway-channel"], headers["x-gateway-model"]) == ("openai", "gpt-test")
        assert headers["x-gateway-loss"] == "top_k"
        assert headers["request-id"] == headers["x-request-id"]
        assert running.records[0].lost == ["/top_k"]


async def test_the_head_of_a_shared_answer_says_so_too(shared: Any) -> None:
    async with shared(timeouts={"keep_alive_s": 0.04}) as running:
        replies: list[Any] = []

        async def ask() -> None:
            replies.append(await running.post("/v1/messages", {**SLOW_AND_LOSSY, "model": "r", "temperature": 0}))

        async with trio.open_nursery() as clients:
            clients.start_soon(ask)
            clients.start_soon(ask)
        assert len(running.simulator.observer.requests) == 1
        assert [reply.headers["x-gateway-channel"] for reply in replies] == ["openai", "openai"]
        assert [reply.headers["x-gateway-loss"] for reply in replies] == ["top_k", "top_k"]


async def test_a_head_that_has_left_tells_of_the_target_that_was_waited_for_then(house: Houses) -> None:
    fails = trio.Event()

    async def be_slow_and_fail(stream: trio.SocketStream) -> None:
        async with stream:
            await fails.wait()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, be_slow_and_fail, [listener])
        port = listener.socket.getsockname()[1]
        slow = {"provider": "openai_compatible", "base_url": f"http://127.0.0.1:{port}", "models": ["slow"]}
        route = {"model": "r", "targets": [{"channel": "slow", "model": "slow"}], "fallback": [TARGET]}
        async with house(channels={"slow": slow}, routes=[route], timeouts={"keep_alive_s": 0.04}) as running:
            client = await running.connect()
            await client.send("POST", PATH, body("Hello", stream=True))
            await client.read_until(b": waiting")
            fails.set()
            reply = await client.read_reply()
            await client.close()
            assert reply.events()[-1] == "[DONE]"
            assert (reply.headers["x-gateway-channel"], running.records[0].channel) == ("slow", "openai")
            assert "x-gateway-attempts" not in reply.headers
        nursery.cancel_scope.cancel(reason="the test is over")


# --------------------------------------------------------------------------------------- shared answers


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
async def test_identical_requests_at_the_same_time_share_one_answer(shared: Any, stream: bool) -> None:
    async with shared() as running:
        replies: list[Any] = []

        async def ask() -> None:
            replies.append(await running.post(PATH, body("Hi [sim: latency_ms=200 chunks=4]", stream=stream)))

        async with trio.open_nursery() as clients:
            for _ in range(8):
                clients.start_soon(ask)
        assert {reply.status for reply in replies} == {200}
        assert len({reply.body for reply in replies}) == 1
        assert all(reply.whole for reply in replies)
        assert len(running.simulator.observer.requests) == 1
        assert [record.usage is not None for record in running.records].count(True) == 1, "it was used once"
        await wait_all_tasks_blocked(0.01)
        assert len(running.gateway.router.flights) == 0


async def test_who_joins_late_gets_what_was_and_then_the_rest(shared: Any) -> None:
    async with shared() as running:
        request = body("one two three four [sim: chunks=20 gap_ms=20]", stream=True)
        first = await running.connect()
        await first.send("POST", PATH, request)
        await first.read_until(b'"content"')
        late = await running.post(PATH, request)
        reply = await first.read_reply()
        assert late.body == reply.body
        assert late.events()[-1] == "[DONE]"
        assert len(running.simulator.observer.requests) == 1
        await first.close()


async def test_one_who_leaves_disturbs_no_other_and_the_last_one_ends_it(shared: Any) -> None:
    async with shared() as running:
        request = body("a b c [sim: chunks=100000 gap_ms=5]", stream=True)
        clients = [await running.connect() for _ in range(3)]
        for client in clients:
            await client.send("POST", PATH, request)
            await client.read_until(b'"content"')
        observer = running.simulator.observer
        assert len(observer.requests) == 1
        for client in clients[:2]:  # the one that asked first among them
            await client.close()
        await wait_all_tasks_blocked(0.001)
        seen = len(clients[2]._buffer)
        while len(clients[2]._buffer) < seen + 5000:
            clients[2]._buffer += await clients[2].stream.receive_some(65536)
        assert observer.open_connections == 1
        await clients[2].close()
        with trio.fail_after(1):
            await observer.wait_closed()
        await wait_all_tasks_blocked(0.01)
        assert [record.outcome for record in running.records] == ["cancelled"] * 3
        assert len(running.gateway.router.flights) == 0


async def test_all_who_share_are_told_of_the_error(shared: Any) -> None:
    async with shared() as running:
        replies: list[Any] = []

        async def ask() -> None:
            replies.append(await running.post(PATH, body("Hi [sim: latency_ms=100 status=500]")))

        async with trio.open_nursery() as clients:
            for _ in range(4):
                clients.start_soon(ask)
        assert [reply.status for reply in replies] == [500] * 4
        assert len(running.simulator.observer.requests) == 1


@pytest.mark.parametrize(
    ("members", "headers", "asked"),
    [
        ({"temperature": 0.5}, {}, 3),
        ({"temperature": 0.5}, {"x-gateway-coalesce": "true"}, 1),
        ({}, {"x-gateway-coalesce": "false"}, 3),
        ({}, {}, 1),
    ],
)
async def test_only_answers_without_chance_are_shared(shared: Any, members: Any, headers: Any, asked: int) -> None:
    async with shared() as running:
        async with trio.open_nursery() as clients:
            for _ in range(3):
                clients.start_soon(running.post, PATH, body("Hi [sim: latency_ms=100]", **members), headers)
        assert len(running.simulator.observer.requests) == asked


# --------------------------------------------------------------------- configurations that change, and listings


def another(running: Any, **channels: Any) -> Any:
    """The configuration of the house with other channels."""
    table = {
        name: {"provider": "openai", "base_url": running.simulator.origins["openai"] + "/v1", **members}
        for name, members in channels.items()
    }
    return validate({"auth": {"tokens": ["tg-test-token"]}, "channels": table}, {}, "test", Path())


async def test_running_exchanges_finish_on_the_configuration_they_began_with(house: Houses) -> None:
    async with house() as running:
        client = await running.connect()
        await client.send("POST", PATH, {**body("a b [sim: chunks=20 gap_ms=20]", stream=True), "model": "gpt-test"})
        await client.read_until(b'"content"')
        config = another(running, fresh={"api_key": "sk-upstream-0123456789", "models": ["new-*"]})
        reloader = Reloader(running.app, Path("gateway.toml"), lambda: config)
        assert await reloader.reload()
        assert (await running.chat("new-1", "Hi")).status == 200
        assert (await running.chat("gpt-test", "Hi")).status == 404
        reply = await client.read_reply()
        assert reply.whole
        assert reply.events()[-1] == "[DONE]"
        await client.close()


async def test_a_bad_file_keeps_the_old_configuration_and_says_why(
    house: Houses, caplog: pytest.LogCaptureFixture
) -> None:
    def bad() -> Any:
        raise ConfigError(["gateway.toml: channels.x.provider: is required"])

    async with house() as running:
        before = running.app.gateway
        assert not await Reloader(running.app, Path("gateway.toml"), bad).reload()
        assert running.app.gateway is before
        assert "channels.x.provider: is required" in caplog.text
        assert (await running.chat("gpt-test", "Hi")).status == 200


async def test_what_was_learnt_of_a_target_survives_a_reload(house: Houses) -> None:
    async with house(breaker={"failures": 1}) as running:
        assert (await running.chat("gpt-test", "[sim: status=500]")).status == 500
        config = running.app.gateway.config
        assert await Reloader(running.app, Path("gateway.toml"), lambda: config).reload()
        assert (await running.chat("gpt-test", "Hi")).status == 503


async def test_a_file_that_changed_is_seen_where_that_is_asked_for(house: Houses, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("1")
    async with house(reload_on_change=True) as running:
        config = running.app.gateway.config
        before = running.app.gateway
        reloader = Reloader(running.app, path, lambda: config)
        assert not reloader.changed
        path.write_text("22")
        assert reloader.changed
        await reloader.look()
        assert running.app.gateway is not before
        assert not reloader.changed


async def test_the_health_of_targets_is_told_to_who_has_a_token(house: Houses) -> None:
    async with house(breaker={"failures": 1}) as running:
        await running.chat("gpt-test", "[sim: status=500]")
        await running.chat("llama-test", "Hi")
        assert (await running.get("/admin/health", {"authorization": ""})).status == 401
        told = {entry["channel"]: entry for entry in (await running.get("/admin/health")).json()["targets"]}
        assert (told["openai"]["state"], told["ollama"]["state"]) == ("open", "closed")
        assert 0 < told["openai"]["retry_after_s"] <= 10
        assert told["ollama"]["expected_s"] > 0


async def test_routes_are_listed_and_looked_up_by_name(house: Houses) -> None:
    async with house(routes=[SHARED, {"model": "p-*", "targets": [TARGET]}]) as running:
        listed = {entry["id"]: entry["owned_by"] for entry in (await running.get("/v1/models")).json()["data"]}
        assert listed["r"] == "trio-gateway"
        assert "p-*" not in listed
        assert (await running.get("/v1/models/r")).json()["owned_by"] == "openai"
        assert (await running.get("/v1/models/p-1")).status == 200


async def test_a_discovered_channel_is_asked_in_the_background(house: Houses) -> None:
    channels = {"openai": {"discover": True, "models": ["*"]}}
    async with house(channels=channels, simulator={"models": {"openai": ("gpt-found",)}}) as running:
        with trio.fail_after(5):
            while "gpt-found" not in [entry["id"] for entry in (await running.get("/v1/models")).json()["data"]]:
                await trio.lowlevel.checkpoint()
        count = sum("/models" in request.path for request in running.simulator.observer.requests)
        await running.get("/v1/models")
        assert sum("/models" in request.path for request in running.simulator.observer.requests) == count


async def test_a_discovery_that_fails_stops_nothing(house: Houses) -> None:
    channels = {"openai": {"discover": True, "base_url": "http://127.0.0.1:1/v1"}}
    async with house(channels=channels) as running:
        assert (await running.chat("llama-test", "Hi")).status == 200
        assert (await running.get("/v1/models")).status == 200


def test_a_record_in_json_tells_of_attempts() -> None:
    from trio_gateway.observe.logs import ExchangeLine

    line = ExchangeLine(
        time="t", event="e", request_id="r", endpoint="x", outcome="ok", attempts=2, tried=["a/m: 500 after 0.1 s: no"]
    )
    assert msgspec.to_builtins(line)["tried"] == ["a/m: 500 after 0.1 s: no"]
