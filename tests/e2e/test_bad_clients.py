"""Bad clients of every kind: while they last, others are answered, and afterwards nothing of them is left.

That others are answered is asserted here, and not how fast: benchmarks/bad_clients.py measures that.
"""

from __future__ import annotations

import random
import resource
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

Houses = Callable[..., AbstractAsyncContextManager[Any]]

PATIENCE_S = 30.0
CROWD = 50
IDLE = 1000
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer tg-test-token\r\n"


async def others_are_answered(running: Any) -> None:
    """A plain exchange and a streamed one, by clients that behave."""
    for stream in (False, True):
        reply = await running.chat("claude-test", "Hi", stream=stream)
        assert (reply.status, reply.whole) == (200, True)
        assert not stream or reply.events()[-1] == "[DONE]"


async def nothing_is_left(running: Any, living: int) -> None:
    """No upstream is held, and no task more than before."""
    for channel in running.gateway.channels.values():
        assert channel.upstream.in_use == 0
    with trio.fail_after(PATIENCE_S):
        while trio.lowlevel.current_statistics().tasks_living > living:
            await wait_all_tasks_blocked()  # connections are being closed


async def trickle(client: Any, begun: bytes, left: trio.Event) -> bytes:
    """Send a byte now and then for as long as the server takes it; return all that it said."""
    said = b""

    async def send() -> None:
        try:
            await client.stream.send_all(begun)
            while True:
                await client.stream.send_all(b"x")
                await trio.sleep(0.005)  # the pace of the misdeed; nothing waits for it
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        try:
            while data := await client.stream.receive_some(65536):
                said += data
        except trio.BrokenResourceError:
            pass
        nursery.cancel_scope.cancel(reason="the server has closed")
    left.set()
    await client.close()
    return said


@pytest.mark.parametrize(
    "begun",
    [b"GET / HTTP/1.1\r\nx-slow: ", HEAD + b"content-length: 100000\r\n\r\n"],
    ids=["of its head", "of its body"],
)
async def test_a_request_that_comes_byte_by_byte_is_given_up(house: Houses, begun: bytes) -> None:
    said: list[bytes] = []
    async with house(server={"header_s": 0.5, "body_s": 0.5}) as running:
        await others_are_answered(running)
        living = trio.lowlevel.current_statistics().tasks_living
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                ended = [trio.Event() for _ in range(CROWD)]

                async def be_slow(event: trio.Event) -> None:
                    said.append(await trickle(await running.connect(), begun, event))

                for event in ended:
                    nursery.start_soon(be_slow, event)
                while not all(event.is_set() for event in ended):
                    await others_are_answered(running)
        await nothing_is_left(running, living)
    assert len(said) == CROWD
    assert all(one.startswith(b"HTTP/1.1 408 ") for one in said)


async def test_a_thousand_idle_connections_are_in_nobodys_way(house: Houses) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} descriptors, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        async with house(server={"header_s": 60}) as running:
            await others_are_answered(running)
            living = trio.lowlevel.current_statistics().tasks_living
            idle = [await running.connect() for _ in range(IDLE)]
            await others_are_answered(running)
            await wait_all_tasks_blocked()
            assert trio.lowlevel.current_statistics().tasks_living > living + IDLE  # all of them were taken
            await idle[-1].send("GET", "/healthz", None)
            assert (await idle[-1].read_reply()).status == 200
            for client in idle:
                await client.close()
            await nothing_is_left(running, living)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_readers_that_stall_hold_nobody_up_and_are_let_go_of(house: Houses) -> None:
    body = {"model": "gpt-test", "stream": True, "messages": [{"role": "user", "content": "[sim: chunks=40000]"}]}
    stalled = []
    async with house(server={"write_stall_s": 0.3}) as running:
        observer = running.simulator.observer
        await others_are_answered(running)
        living = trio.lowlevel.current_statistics().tasks_living
        for _ in range(3):
            client = await running.connect()
            client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await client.send("POST", "/v1/chat/completions", body)
            await client.read_until(b"data: ")
            stalled.append(client)
            await others_are_answered(running)
        with trio.fail_after(PATIENCE_S):
            await observer.wait_until(
                lambda: not any(record.moment == "mid_stream" and not record.how for record in observer.connections)
            )
        await others_are_answered(running)
        await wait_all_tasks_blocked(0.01)
        assert [record.outcome for record in running.records].count("cancelled") == len(stalled)
        await nothing_is_left(running, living + 1)
        for client in stalled:
            await client.close()


async def test_a_flood_of_resets_leaves_nothing_behind(house: Houses) -> None:
    chance = random.Random(7)
    tails = ("silence=headers", "silence=body", "chunks=1000 gap_ms=1", "")
    async with house() as running:
        await others_are_answered(running)
        await wait_all_tasks_blocked(0.01)
        living = trio.lowlevel.current_statistics().tasks_living
        for round_number in range(20):
            flood = [await running.connect() for _ in range(20)]
            for client in flood:
                text = f"Hi [sim: {chance.choice(tails)}]"
                body = {"model": "gpt-test", "stream": True, "messages": [{"role": "user", "content": text}]}
                await client.send("POST", "/v1/chat/completions", body)
            for _ in range(chance.randrange(8)):
                await trio.lowlevel.checkpoint()  # so that each round breaks off at another moment
            for client in flood:
                client.reset()
            if round_number % 5 == 0:
                await others_are_answered(running)
        await others_are_answered(running)
        with trio.fail_after(PATIENCE_S):
            await running.simulator.observer.wait_until(
                lambda: all(
                    record.how or record.moment in ("idle", "after_end")
                    for record in running.simulator.observer.connections
                )
            )
        await wait_all_tasks_blocked(0.01)
        for channel in running.gateway.channels.values():
            assert channel.upstream.in_use == 0
        # Connections to the simulator are kept idle, and each has a task there.
        kept = running.simulator.observer.open_connections
        assert trio.lowlevel.current_statistics().tasks_living <= living + 2 * kept


async def test_garbage_is_refused_and_closed(house: Houses) -> None:
    chance = random.Random(11)
    async with house(server={"header_s": 5}) as running:
        await others_are_answered(running)
        await wait_all_tasks_blocked(0.01)
        living = trio.lowlevel.current_statistics().tasks_living
        for round_number in range(100):
            client = await running.connect()
            start = chance.choice((b"", b"GET ", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"\0"))
            said = b""
            with trio.fail_after(PATIENCE_S):
                try:
                    await client.stream.send_all(start + chance.randbytes(300) + b"\r\n\r\n")
                    while data := await client.stream.receive_some(65536):
                        said += data
                except trio.BrokenResourceError:
                    pass
            assert said.startswith(b"HTTP/1.1 4")
            await client.close()
            if round_number % 20 == 0:
                await others_are_answered(running)
        assert "cancelled" not in [record.outcome for record in running.records]
        await nothing_is_left(running, living)


async def test_garbage_on_a_tls_listener_is_in_nobodys_way(house: Houses, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(tmp_path / "cert.pem", append=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    chance = random.Random(13)
    files = {"certfile": str(tmp_path / "cert.pem"), "keyfile": str(tmp_path / "key.pem"), "header_s": 60}

    async def is_answered(running: Any) -> None:
        client = await running.connect()
        client.stream = trio.SSLStream(client.stream, context, server_hostname="localhost", https_compatible=True)
        body = {"model": "gpt-test", "messages": [{"role": "user", "content": "Hi"}]}
        await client.send("POST", "/v1/chat/completions", body)
        assert (await client.read_reply()).status == 200
        await client.close()

    async with house(server=files) as running:
        await is_answered(running)
        silent = [await running.connect() for _ in range(CROWD)]  # they never begin a handshake
        for _ in range(CROWD):
            client = await running.connect()
            start = chance.choice((b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
            await client.stream.send_all(start + chance.randbytes(600))
            if chance.random() < 0.5:
                client.reset()
            else:
                await client.close()
        await is_answered(running)
        for client in silent:
            await client.close()
        await is_answered(running)
