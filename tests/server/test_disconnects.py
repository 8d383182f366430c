"""Clients that leave or stop reading, on real sockets: at every moment, in both ways, whatever bytes came before.

A plain Hypercorn worker (0.18, trio) misses or mishandles each of these; so would any connection whose reader waits for
the application, or whose writer waits for the client for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

GET = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n"
STRAY = {"nothing": b"", "an empty line": b"\r\n", "a pipelined request": GET % b"2", "half a request": b"GET /2 HT"}


class Moment:
    """An application that stands still at one moment of its exchange, and says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reached = trio.Event()

    async def __call__(self, scope, receive, send) -> None:
        if self.name != "before the body is read":
            await receive()
        if self.name == "mid-stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        elif self.name == "after the response was started":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        elif self.name == "after the head was sent":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        self.reached.set()
        await trio.sleep_forever()


MOMENTS = [
    "before the body is read",
    "before the response",
    "after the response was started",
    "after the head was sent",
    "mid-stream",
]


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("name", MOMENTS)
async def test_a_client_that_leaves_ends_its_exchange_at_once(serving, leave, name, stray, how):
    moment = Moment(name)
    async with serving(moment) as running:
        client = await running.connect()
        await client.send(GET % b"" + STRAY[stray])
        await moment.reached.wait()
        leave(client, how)
        await running.app.ended.wait()
        assert running.app.outcomes == ["cancelled"]
        assert len(running.app.scopes) == 1


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_client_that_leaves_in_the_middle_of_its_body_ends_its_exchange(serving, leave, asgi, how):
    async with serving(asgi.echo) as running:
        client = await running.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        await running.app.started.wait()
        leave(client, how)
        await running.app.ended.wait()
        assert running.app.outcomes == ["cancelled"]


async def fill(client, piece: bytes, until_parked) -> None:
    """Send until the server has stopped reading."""
    client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    while not until_parked():
        with contextlib.suppress(BlockingIOError):
            os.write(client.stream.socket.fileno(), piece)
        await wait_all_tasks_blocked()


@pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="only epoll tells of a hangup behind unread bytes")
@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("behind", [b"POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", GET % b"2"])
async def test_a_client_that_leaves_is_noticed_behind_more_bytes_than_are_read(serving, leave, asgi, behind, how):
    async with serving(asgi.hang) as running:
        client = await running.connect()
        await client.send(GET % b"" + behind)
        await running.app.started.wait()
        (connection,) = running.server.service._connections
        await fill(client, behind * 100, lambda: connection._parked is not None)
        leave(client, how)
        await running.app.ended.wait()
        assert running.app.outcomes == ["cancelled"]


@pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="only epoll tells of a hangup behind unread bytes")
@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_client_that_leaves_is_noticed_behind_body_bytes_nobody_takes(serving, leave, asgi, how):
    async with serving(asgi.hang) as running:
        client = await running.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n")
        await running.app.started.wait()
        (connection,) = running.server.service._connections
        await fill(client, b"x" * 60_000, lambda: connection._parked is not None)
        leave(client, how)
        await running.app.ended.wait()
        assert running.app.outcomes == ["cancelled"]


async def stream_forever(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 60_000, "more_body": True})


async def test_a_client_that_stops_reading_ends_its_exchange_and_delays_nobody_else(serving):
    ended = trio.Event()

    async def stream_or_answer(scope, receive, send):
        if scope["path"] == "/stream":
            try:
                await stream_forever(scope, receive, send)
            finally:
                ended.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(stream_or_answer, write_stall_s=0.05) as running:
        stalled, other = await running.connect(), await running.connect()
        await stalled.send(GET % b"stream")
        await stalled.head()
        await other.send(GET % b"")
        assert (await other.response())[2] == b"ok"
        await ended.wait()
        assert running.app.outcomes == ["done", "cancelled"]
        with pytest.raises(trio.BrokenResourceError):
            await stalled.read_to_end()  # reset: it does not look like a clean end


async def test_a_client_that_stops_reading_does_not_hold_up_a_shutdown(serving):
    async with serving(stream_forever, write_stall_s=3600, drain_s=0.05) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await client.head()
        running.shutdown.set()
        await running.stopped.wait()
        assert running.app.outcomes == ["cancelled"]
        assert running.app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


async def test_a_client_that_leaves_while_its_answer_waits_for_room_ends_its_exchange(serving, leave):
    async with serving(stream_forever, write_stall_s=3600) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await client.head()
        await wait_all_tasks_blocked()
        leave(client, "FIN")
        await running.app.ended.wait()
        assert running.app.outcomes == ["cancelled"]


async def test_a_bug_in_a_connection_ends_that_connection_only_and_is_logged(serving, monkeypatch, caplog):
    from trio_gateway.server.connection import Connection

    arrived = Connection._arrived

    def arrived_with_a_bug(self, data):
        if b"trigger" in data:
            raise RuntimeError("a bug in the server")
        return arrived(self, data)

    monkeypatch.setattr(Connection, "_arrived", arrived_with_a_bug)
    async with serving() as running:
        healthy, unlucky = await running.connect(), await running.connect()
        await healthy.send(GET % b"1")
        await healthy.response()
        await unlucky.send(GET % b"trigger")
        assert await unlucky.read_to_end() == b""
        await healthy.send(GET % b"2")
        assert (await healthy.response())[2] == b"/2 "
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.name == "trio_gateway.server"
    assert "a bug in the server" in caplog.text


async def test_a_bad_h2c_upgrade_is_just_a_request(serving):
    async with serving() as running:
        client = await running.connect()
        await client.send(
            b"GET /1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: not base64\r\n\r\n" + GET % b"2"
        )
        assert (await client.response())[2] == b"/1 "
        assert (await client.response())[2] == b"/2 "


async def test_http_2_without_tls_is_refused(serving):
    async with serving() as running:
        client = await running.connect()
        await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        assert await client.refusal() == (505, "http_version_not_supported")


async def test_a_response_without_a_body_is_whole(serving, asgi):
    async def no_content(scope, receive, send):
        await asgi.respond(send, b"", 204)

    async with serving(no_content) as running:
        client = await running.connect()
        for _ in range(2):
            await client.send(GET % b"")
            assert (await client.response())[0] == 204


async def test_no_error_of_a_mixed_group_is_lost(serving, caplog, asgi):
    """The client leaves, one task is cancelled, another fails while cleaning up: the failure is in the log."""

    async def fail_while_cleaning_up():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("cleaning up failed")

    async def two_tasks(scope, receive, send):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_while_cleaning_up)
            nursery.start_soon(trio.sleep_forever)

    async with serving(two_tasks) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await running.app.started.wait()
        await client.stream.aclose()
        await running.app.ended.wait()
    assert "cleaning up failed" in caplog.text
