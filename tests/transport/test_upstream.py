"""What an exchange sees of a provider; and that no cancellation, however placed, costs a connection or a place."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from trio_gateway.errors import ConfigError, UpstreamBroke, UpstreamUnreachable
from trio_gateway.transport.upstream import Upstream, UpstreamSettings
from trio_gateway.transport.watch import Overdue, Watch

TARGET = b"/v1/chat/completions"
HEADERS = [(b"content-type", b"application/json")]


def upstream_for(provider: Any, **settings: Any) -> Upstream:
    return Upstream(UpstreamSettings(base_url=provider.url, **settings))


async def ask(upstream: Upstream, body: bytes = b"{}") -> bytes:
    async with await upstream.open("POST", TARGET, HEADERS, body) as response:
        return await response.read(1_000_000)


async def test_a_request_goes_out_as_given_and_the_answer_comes_back(provider_of: Any, answer: Any) -> None:
    seen: list[bytes] = []

    async def keep(peer: Any) -> None:
        while (request := await peer.read_request()) is not None:
            seen.append(request)
            await peer.send(answer(b"{}", status=b"429 Slow Down", fields=b"Retry-After: 3\r\nretry-after: 4\r\n"))

    async with provider_of(keep) as provider, upstream_for(provider) as upstream:
        for method in ("POST", b"POST"):
            response = await upstream.open(method, TARGET, [(b"Authorization", b"Bearer s3cret"), *HEADERS], b"{}")
            assert response.status == 429
            assert response.headers == [(b"retry-after", b"3"), (b"retry-after", b"4"), (b"content-length", b"2")]
            assert response.header(b"retry-after") == b"3"
            assert response.header(b"x-missing") is None
            assert not response.close_delimited
            assert await response.receive_some() == b"{}"
            assert await response.receive_some() == b""
            assert await response.receive_some() == b""
            assert "s3cret" not in repr(response) + repr(upstream)
            await response.aclose()
        assert provider.connections == 1
        host = b"127.0.0.1:%d" % provider.port
    assert seen == 2 * [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: %b\r\nauthorization: Bearer s3cret\r\n" % host
        + b"content-type: application/json\r\naccept-encoding: identity\r\ncontent-length: 2\r\n\r\n{}"
    ]


async def test_a_stream_comes_as_it_is_sent(provider_of: Any) -> None:
    async def stream(peer: Any) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            await go_on.wait()
            await peer.send(b"%x\r\n%b\r\n" % (len(event), event))
        await peer.send(b"0\r\n\r\n")
        await peer.read_end()

    go_on = trio.Event()
    async with provider_of(stream) as provider, upstream_for(provider) as upstream:
        response = await upstream.open("POST", TARGET, HEADERS, b"{}")
        go_on.set()
        received = b""
        while piece := await response.receive_some():
            received += piece
        await response.aclose()
        assert received == b"data: 1\n\ndata: 2\n\n"


async def test_a_coding_that_cannot_be_undone_costs_the_connection_and_no_place(provider_of: Any, answer: Any) -> None:
    async def insist(peer: Any) -> None:
        await peer.read_request()
        await peer.send(answer(fields=b"content-encoding: compress\r\n"))
        await peer.read_end()

    async with provider_of(insist) as provider, upstream_for(provider) as upstream:
        with pytest.raises(UpstreamBroke, match="cannot be undone"):
            await ask(upstream)
        assert upstream.in_use == 0
        await provider.wait_all_closed()


async def test_the_answer_to_head_is_its_head(provider_of: Any, answer: Any) -> None:
    async def head_only(peer: Any) -> None:
        while await peer.read_request() is not None:
            await peer.send(answer().removesuffix(b"hello"))

    async with provider_of(head_only) as provider, upstream_for(provider) as upstream:
        for method in ("HEAD", b"HEAD"):
            async with await upstream.open(method, b"/", [], b"") as response:
                assert await response.read(0) == b""
        assert provider.connections == 1


async def test_a_closed_response_gives_nothing_and_closing_it_again_changes_nothing(
    provider_of: Any, answer_all: Any
) -> None:
    async with provider_of(answer_all) as provider, upstream_for(provider) as upstream:
        response = await upstream.open("POST", TARGET, HEADERS, b"")
        await response.read(100)
        await response.aclose()
        await response.aclose()
        assert upstream.in_use == 0
        with pytest.raises(trio.ClosedResourceError):
            await response.receive_some()


async def test_what_cannot_be_sent_takes_no_place(provider_of: Any, answer_all: Any) -> None:
    async with provider_of(answer_all) as provider, upstream_for(provider, connections_max=1) as upstream:
        for _ in range(2):
            with pytest.raises(ValueError, match="CR, LF or NUL"):
                await upstream.open("POST", TARGET, [(b"x", b"a\r\nb: c")], b"")
        assert await ask(upstream) == b"hello"


async def test_no_more_than_connections_max_are_with_the_provider_and_the_rest_wait_in_line(
    provider_of: Any, answer_all: Any
) -> None:
    async with provider_of(answer_all) as provider, upstream_for(provider, connections_max=2) as upstream:
        held = [await upstream.open("POST", TARGET, HEADERS, b"") for _ in range(2)]
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask, upstream)
            await trio.testing.wait_all_tasks_blocked()
            assert (upstream.in_use, upstream.waiting, provider.connections) == (2, 3, 2)
            assert repr(upstream) == (
                f"<Upstream http://127.0.0.1:{provider.port}: "
                "<Client with 2 connections, 0 of them idle>, <Slots 2 of 2 in use, 3 waiting>>"
            )
            for response in held:
                await response.read(100)
                await response.aclose()
        assert provider.connections == 2


async def test_unreachable_and_broken_are_told_apart(provider_of: Any) -> None:
    async def hang_up(peer: Any) -> None:
        await peer.read_request()

    async with provider_of(hang_up) as provider, upstream_for(provider) as upstream:
        with pytest.raises(UpstreamBroke):
            await ask(upstream)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with Upstream(UpstreamSettings(base_url=f"http://127.0.0.1:{port}")) as upstream:
            with pytest.raises(UpstreamUnreachable, match=f"127.0.0.1:{port}"):
                await ask(upstream)
            assert upstream.in_use == 0


@pytest.mark.parametrize("moment", ["waiting for a place", "sending", "waiting for the head", "in the body"])
async def test_cancelled_at_any_moment_it_closes_its_connection_and_gives_up_its_place(
    provider_of: Any, answer_all: Any, moment: str
) -> None:
    async def stall(peer: Any) -> None:
        if moment == "sending":
            await peer.stream.receive_some(10)
            await trio.sleep_forever()
        await peer.read_request()
        if moment == "in the body":
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        assert await peer.read_end() == b""
        ended.set()

    ended = trio.Event()
    async with provider_of(stall) as provider, upstream_for(provider, connections_max=1) as upstream:
        body = bytes(30_000_000 if moment == "sending" else 2)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                if moment == "waiting for a place":
                    nursery.start_soon(ask, upstream)
                    await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(ask, upstream, body)
                await trio.testing.wait_all_tasks_blocked(0.02)
                assert upstream.in_use == 1
                scope.cancel(reason="the client left")
        assert (upstream.in_use, upstream.waiting) == (0, 0)
        if moment != "sending":
            await ended.wait()


@pytest.mark.parametrize("seed", range(3))
async def test_thousands_of_random_cancellations_and_deadlines_leave_nothing_open_and_the_upstream_serving(
    provider_of: Any, answer: Any, seed: int
) -> None:
    rng = random.Random(seed)

    async def misbehave(peer: Any) -> None:
        while await peer.read_request() is not None:
            behaviour = rng.random()
            if behaviour < 0.05:
                return
            if behaviour < 0.2:
                await trio.sleep(rng.random() / 100)
            raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            if behaviour < 0.6:
                raw = answer()
            cut = rng.randrange(len(raw))
            await peer.send(raw[:cut])
            if behaviour < 0.3:
                await trio.sleep(rng.random() / 100)
            await peer.send(raw[cut:])

    answered = cancelled = broken = late = 0

    async def one() -> None:
        nonlocal answered, cancelled, broken, late
        body = bytes(3_000_000 if rng.random() < 0.01 else 20)
        with trio.CancelScope() as scope:
            longest_s = rng.choice([0, 0.0005, 0.002, 0.01, float("inf")])
            until_s = trio.current_time() + longest_s * (1 - rng.random())
            due_s = until_s if rng.random() < 0.5 else inf
            if due_s == inf:
                scope.deadline = until_s
            try:
                response = await upstream.open("POST", TARGET, HEADERS, body, due_s)
                try:
                    if rng.random() < 0.8:
                        assert await response.read(100) == b"hello"
                        answered += 1
                finally:
                    await response.aclose()
            except Overdue:
                late += 1
            except UpstreamBroke:
                broken += 1
        cancelled += scope.cancelled_caught

    async def keep_asking() -> None:
        for _ in range(120):
            await one()

    async with provider_of(misbehave) as provider, watched(provider, connections_max=8, idle_max=4) as upstream:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(keep_asking)
        assert (upstream.in_use, upstream.waiting) == (0, 0)
        client = upstream._opener._client  # type: ignore[attr-defined]  # the count of open connections is not public
        assert client.connections == client.idle <= 4
        # The pool still serves, on every place there is.
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(persist, upstream)
        await upstream.aclose()
        assert client.connections == 0
        await provider.wait_all_closed()
    # All three happened, or this has tested nothing.
    assert min(answered, cancelled, late) > 100
    assert broken > 5


async def persist(upstream: Upstream) -> None:
    """Ask until there is an answer: the provider of the test above hangs up on one request in twenty."""
    while True:
        try:
            assert await ask(upstream) == b"hello"
        except UpstreamBroke:
            continue
        return


async def test_expire_closes_what_has_been_idle_for_too_long(provider_of: Any, answer_all: Any) -> None:
    async with provider_of(answer_all) as provider, upstream_for(provider, idle_s=0) as upstream:
        await ask(upstream)
        assert provider.open == 1
        upstream.expire()
        await provider.wait_all_closed()


@pytest.mark.parametrize("settings", [{"proxy": "http://p:1"}, {"http2": True}, {"cafile": "/nowhere.pem"}])
def test_settings_that_contradict_each_other_or_the_disk_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Upstream(UpstreamSettings(base_url="https://h", **settings))


def test_settings_do_not_show_the_password_of_a_proxy() -> None:
    settings = UpstreamSettings(base_url="https://h", transport="httpx", proxy="http://u:s3cret@p:1")
    assert repr(settings) == "<UpstreamSettings httpx, by proxy, 1000 at once>"


@contextlib.asynccontextmanager
async def watched(provider: Any, **settings: Any) -> AsyncIterator[Upstream]:
    """An upstream whose deadlines somebody looks after."""
    watch = Watch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        async with Upstream(UpstreamSettings(**{"base_url": provider.url, **settings}), watch=watch) as upstream:
            yield upstream
            assert len(watch) == 0
        nursery.cancel_scope.cancel()


TRANSPORTS = pytest.mark.parametrize("transport", ["native", "httpx"])


@TRANSPORTS
async def test_a_silent_provider_is_given_up_at_the_deadline_and_its_connection_closed(
    provider_of: Any, transport: str
) -> None:
    async def silent(peer: Any) -> None:
        await peer.read_request()
        await peer.read_end()

    async with provider_of(silent) as provider, watched(provider, transport=transport) as upstream:
        with pytest.raises(Overdue):
            await upstream.open("POST", TARGET, HEADERS, b"{}", trio.current_time() + 0.05)
        assert upstream.in_use == 0
        await provider.wait_all_closed()


@TRANSPORTS
async def test_a_body_that_stops_is_given_up_at_the_deadline_that_was_set_last(
    provider_of: Any, transport: str
) -> None:
    async def stop(peer: Any) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await peer.read_end()

    async with provider_of(stop) as provider, watched(provider, transport=transport) as upstream:
        far_s = trio.current_time() + 1000
        async with await upstream.open("POST", TARGET, HEADERS, b"{}", far_s) as response:
            assert await response.receive_some() == b"hello"
            response.wait_until(trio.current_time() + 0.05)
            with pytest.raises(Overdue):
                await response.receive_some()
        assert upstream.in_use == 0
        await provider.wait_all_closed()


async def test_a_large_request_that_nobody_reads_is_given_up_at_the_deadline(provider_of: Any) -> None:
    closed = trio.Event()

    async def deaf(peer: Any) -> None:
        await closed.wait()

    async with provider_of(deaf) as provider, watched(provider) as upstream:
        with pytest.raises(Overdue):
            await upstream.open("POST", TARGET, HEADERS, b"x" * 30_000_000, trio.current_time() + 0.05)
        assert upstream.in_use == 0
        closed.set()


async def test_waiting_for_a_place_ends_at_the_deadline(provider_of: Any, answer: Any) -> None:
    async def keep(peer: Any) -> None:
        while await peer.read_request() is not None:
            await peer.send(answer())

    async with provider_of(keep) as provider, watched(provider, connections_max=1) as upstream:
        async with await upstream.open("POST", TARGET, HEADERS, b"{}"):
            with pytest.raises(Overdue, match="connections_max"):
                await upstream.open("POST", TARGET, HEADERS, b"{}", trio.current_time() + 0.05)
        assert (upstream.in_use, upstream.waiting) == (0, 0)
        assert await ask(upstream) == b"hello"


async def test_an_answer_in_time_leaves_its_connection_for_the_next_request(provider_of: Any, answer: Any) -> None:
    async def keep(peer: Any) -> None:
        while await peer.read_request() is not None:
            await peer.send(answer())

    async with provider_of(keep) as provider, watched(provider) as upstream:
        for _ in range(3):
            async with await upstream.open("POST", TARGET, HEADERS, b"{}", trio.current_time() + 30) as response:
                assert await response.read(100) == b"hello"
        assert provider.connections == 1


async def test_a_deadline_that_nobody_would_look_after_is_refused(provider_of: Any, answer: Any) -> None:
    async with provider_of(lambda peer: peer.read_end()) as provider, upstream_for(provider) as upstream:
        with pytest.raises(AssertionError, match="watch"):
            await upstream.open("POST", TARGET, HEADERS, b"{}", trio.current_time() + 30)
        assert upstream.in_use == 0


async def test_a_handshake_that_nobody_answers_ends_at_the_deadline(provider_of: Any) -> None:
    async with (
        provider_of(lambda peer: peer.read_end()) as provider,
        watched(provider, base_url=provider.url.replace("http:", "https:")) as upstream,
    ):
        with pytest.raises(Overdue, match="connect"):
            await upstream.open("POST", TARGET, HEADERS, b"{}", trio.current_time() + 0.05)
        assert upstream.in_use == 0
        await provider.wait_all_closed()


async def test_over_tls_too_a_silent_provider_is_given_up(provider_of: Any, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def silent(peer: Any) -> None:
        await peer.read_request()
        await peer.read_end()

    async with provider_of(silent, lambda stream: trio.SSLStream(stream, context, server_side=True)) as provider:
        url = provider.url.replace("http:", "https:")
        async with watched(provider, base_url=url, cafile=str(tmp_path / "ca.pem")) as upstream:
            with pytest.raises(Overdue):
                await upstream.open("POST", TARGET, HEADERS, b"{}", trio.current_time() + 0.3)
            assert provider.connections == 1
            await provider.wait_all_closed()
