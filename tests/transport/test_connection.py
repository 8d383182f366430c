"""A request out, a response in; early answers, breaks and slow readers, on real sockets."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trio
import trio.testing

from trio_gateway.errors import UpstreamBroke
from trio_gateway.transport.connect import connect, parse_origin
from trio_gateway.transport.connection import Connection

OK = b"HTTP/1.1 200 OK\r\n"
LARGE = bytes(30_000_000)


def head(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body)


async def opened(provider: Any) -> Connection:
    return await connect(parse_origin(provider.url), None, 10)


async def read(connection: Connection) -> bytes:
    body = b""
    while piece := await connection.receive_some():
        body += piece
    return body


async def test_a_response_comes_as_it_arrives_byte_by_byte_if_it_must(provider_of: Any, answer: Any) -> None:
    async def dribble(peer: Any) -> None:
        await peer.read_request()
        raw = b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"hello", fields=b"X-A: 1\r\n")
        for i in range(len(raw)):
            await peer.send(raw[i : i + 1])
            await trio.testing.wait_all_tasks_blocked()

    async with provider_of(dribble) as provider:
        connection = await opened(provider)
        await connection.request(head(b""), b"")
        assert connection.status == 200
        assert connection.headers == [(b"x-a", b"1"), (b"content-length", b"5")]
        assert await read(connection) == b"hello"
        assert connection.reusable
        connection.close_nowait()


async def test_the_provider_gets_every_byte_of_a_large_request(provider_of: Any, answer: Any) -> None:
    body = bytes(range(256)) * 4000
    seen: list[bytes] = []

    async def keep(peer: Any) -> None:
        seen.append(await peer.read_request())
        await peer.send(answer())
        await peer.read_end()

    async with provider_of(keep) as provider:
        connection = await opened(provider)
        await connection.request(head(body), body)
        assert await read(connection) == b"hello"
        assert seen == [head(body) + body]
        assert connection.reusable
        connection.close_nowait()


@pytest.mark.parametrize("then", ["waits", "closes", "resets"])
async def test_a_refusal_while_the_request_is_being_sent_is_read_rather_than_a_broken_pipe(
    provider_of: Any, answer: Any, then: str
) -> None:
    async def refuse(peer: Any) -> None:
        await peer.stream.receive_some(1000)
        await peer.send(answer(b"too large", status=b"413 Content Too Large"))
        if then == "waits":
            await trio.sleep_forever()
        if then == "resets":
            # Only once the answer has been read does a reset leave it alone; until then it may take it along.
            await answered.wait()
            peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    answered = trio.Event()
    async with provider_of(refuse) as provider:
        connection = await opened(provider)
        await connection.request(head(LARGE), LARGE)
        answered.set()
        assert connection.status == 413
        assert await read(connection) == b"too large"
        assert not connection.reusable
        connection.close_nowait()


async def test_an_early_success_does_not_stop_the_request(provider_of: Any) -> None:
    body = bytes(2_000_000)

    async def early(peer: Any) -> None:
        await peer.stream.receive_some(1000)
        await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await early_seen.wait()
        received = 1000
        while received < len(body):
            received += len(await peer.stream.receive_some(65536))
        await peer.send(b"5\r\nthere\r\n0\r\n\r\n")
        await peer.read_end()

    early_seen = trio.Event()
    async with provider_of(early) as provider:
        connection = await opened(provider)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.request, head(body), body)
            while not connection.status:
                await trio.testing.wait_all_tasks_blocked()
            early_seen.set()
        assert await read(connection) == b"hithere"
        assert connection.reusable
        connection.close_nowait()


async def test_a_success_that_is_over_before_the_request_is_ends_the_request(provider_of: Any, answer: Any) -> None:
    async def answer_and_read_no_more(peer: Any) -> None:
        await peer.stream.receive_some(1000)
        for piece in answer().partition(b"he"):
            await peer.send(piece)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep_forever()

    async with provider_of(answer_and_read_no_more) as provider:
        connection = await opened(provider)
        await connection.request(head(LARGE), LARGE)
        assert await read(connection) == b"hello"
        assert not connection.reusable
        connection.close_nowait()


async def test_nonsense_while_the_request_is_being_sent_ends_it_with_the_reason(provider_of: Any) -> None:
    async def nonsense(peer: Any) -> None:
        await peer.send(b"SSH-2.0-OpenSSH\r\n")
        await trio.sleep_forever()

    async with provider_of(nonsense) as provider:
        connection = await opened(provider)
        with pytest.raises(UpstreamBroke, match=f"127.0.0.1:{provider.port} broke the protocol: it did not answer"):
            await connection.request(head(LARGE), LARGE)
        connection.close_nowait()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "closed the connection in the head"),
        (b"HTTP/1.1 200", "closed the connection in the head"),
        (OK + b"content-length: 10\r\n\r\nhalf", "closed the connection in a body of known length"),
        (OK + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "closed the connection in a chunked body"),
        (OK + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nx", "malformed"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "interim"),
    ],
)
async def test_a_response_that_breaks_off_or_breaks_the_rules_is_never_a_clean_end(
    provider_of: Any, sent: bytes, said: str
) -> None:
    async def break_off(peer: Any) -> None:
        await peer.read_request()
        await peer.send(sent)

    async def whole(connection: Connection) -> None:
        await connection.request(head(b""), b"")
        await read(connection)

    async with provider_of(break_off) as provider:
        connection = await opened(provider)
        with pytest.raises(UpstreamBroke, match=said) as caught:
            await whole(connection)
        assert caught.value.__cause__ is not None
        assert not connection.reusable
        connection.close_nowait()


async def test_a_reset_in_the_body_is_told_in_the_systems_words(provider_of: Any) -> None:
    async def reset(peer: Any) -> None:
        await peer.read_request()
        await peer.send(OK + b"content-length: 10\r\n\r\n")
        await head_read.wait()
        peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    head_read = trio.Event()
    async with provider_of(reset) as provider:
        connection = await opened(provider)
        await connection.request(head(b""), b"")
        head_read.set()
        with pytest.raises(UpstreamBroke, match="Connection reset by peer"):
            await connection.receive_some()
        connection.close_nowait()


async def test_a_body_without_a_length_ends_with_the_connection_and_says_so(provider_of: Any) -> None:
    async def until_eof(peer: Any) -> None:
        await peer.read_request()
        await peer.send(OK + b"\r\nall of it")

    async with provider_of(until_eof) as provider:
        connection = await opened(provider)
        await connection.request(head(b""), b"")
        assert connection.close_delimited
        assert await read(connection) == b"all of it"
        assert not connection.reusable
        connection.close_nowait()


async def test_the_upstream_is_read_no_faster_than_its_answer_is_taken(provider_of: Any) -> None:
    async def flood(peer: Any) -> None:
        nonlocal sent
        await peer.read_request()
        await peer.send(OK + b"\r\n")
        while True:
            await peer.send(bytes(100_000))
            sent += 100_000

    sent = 0
    async with provider_of(flood) as provider:
        connection = await opened(provider)
        await connection.request(head(b""), b"")
        await trio.testing.wait_all_tasks_blocked(0.05)
        held = sent
        assert held < 50_000_000  # in the kernels, and nowhere else
        assert len(connection._body) <= 65_536
        connection.close_nowait()


async def test_closing_ends_a_wait_with_words(provider_of: Any, answer: Any) -> None:
    async def say_nothing(peer: Any) -> None:
        await peer.read_end()

    async def wait(connection: Connection) -> None:
        with pytest.raises(UpstreamBroke, match="was closed here"):
            await connection.request(head(b""), b"")

    async with provider_of(say_nothing) as provider:
        connection = await opened(provider)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, connection)
            await trio.testing.wait_all_tasks_blocked()
            connection.close_nowait()


async def test_its_repr_says_how_far_it_is_and_no_more(provider_of: Any, answer: Any) -> None:
    async def secretive(peer: Any) -> None:
        await peer.read_request()
        await peer.send(answer(fields=b"set-cookie: s3cret\r\n"))

    async with provider_of(secretive) as provider:
        connection = await opened(provider)
        await connection.request(head(b""), b"")
        assert repr(connection) == (
            f"<Connection to 127.0.0.1:{provider.port}, request 1: <ResponseParser complete, status 200>>"
        )
        connection.close_nowait()
