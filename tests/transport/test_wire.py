"""The socket under everything."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.transport.wire import SocketWire, TlsRecordWire, _record_end


async def wire_pair(
    kind: Callable[[trio.SocketStream], SocketWire] = SocketWire,
) -> tuple[SocketWire, trio.SocketStream]:
    """A wire and the other end of its connection."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    near = await trio.testing.open_stream_to_socket_listener(listeners[0])
    far = await listeners[0].accept()
    await listeners[0].aclose()
    assert isinstance(near, trio.SocketStream)
    return kind(near), far


async def test_bytes_go_both_ways_and_are_counted_until_the_end() -> None:
    wire, far = await wire_pair()
    async with far:
        await wire.send_all(b"abc")
        await wire.send_all(b"")
        assert await far.receive_some() == b"abc"
        assert wire.sent_bytes == 3
        await far.send_all(b"def")
        assert await wire.receive_some() == b"def"
    assert await wire.receive_some() == b""
    await wire.aclose()
    await wire.aclose()


async def test_tcp_nodelay_survives_the_take_over() -> None:
    wire, far = await wire_pair()
    assert wire._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    wire.close_nowait()
    await far.aclose()


async def test_more_than_the_kernel_takes_waits_for_the_reader() -> None:
    wire, far = await wire_pair()
    body = bytes(8_000_000)
    received = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.send_all, body)
        while received < len(body):
            received += len(await far.receive_some())
    assert wire.sent_bytes == len(body)
    wire.close_nowait()
    await far.aclose()


async def test_receiving_is_a_checkpoint_even_when_the_bytes_are_there() -> None:
    wire, far = await wire_pair()
    await far.send_all(b"ab")
    with trio.testing.assert_checkpoints():
        assert await wire.receive_some(1) == b"a"
    wire.close_nowait()
    await far.aclose()


async def test_an_idle_wire_is_quiet_until_anything_arrives_even_the_end() -> None:
    for disturb in ("bytes", "end", "reset"):
        wire, far = await wire_pair()
        assert wire.quiet()
        if disturb == "bytes":
            await far.send_all(b"x")
        elif disturb == "reset":
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if disturb != "bytes":
            await far.aclose()
        await trio.lowlevel.wait_readable(wire._socket)
        assert not wire.quiet()
        wire.close_nowait()
        await far.aclose()


async def test_a_failed_send_is_noted_and_what_the_peer_said_before_can_still_be_read() -> None:
    wire, far = await wire_pair()
    await wire.send_all(b"x" * 1000)
    await far.send_all(b"no, thanks")
    await far.aclose()  # with bytes unread, which resets the connection
    while wire.send_error is None:
        await wire.send_all(b"more")
        await trio.lowlevel.checkpoint()
    assert not wire.sendable
    assert await wire.receive_some() == b"no, thanks"
    wire.close_nowait()


async def test_sending_can_be_abandoned_from_another_task() -> None:
    wire, far = await wire_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.send_all, bytes(50_000_000))
        await trio.testing.wait_all_tasks_blocked()
        wire.abandon_sending()
    assert not wire.sendable
    sent = wire.sent_bytes
    await wire.send_all(b"dropped")
    assert wire.sent_bytes == sent
    wire.close_nowait()
    await far.aclose()


async def test_cancelling_a_send_is_not_taken_for_abandoning_it() -> None:
    wire, far = await wire_pair()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.send_all, bytes(50_000_000))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught
    assert wire.sendable
    wire.close_nowait()
    await far.aclose()


async def test_closing_wakes_whoever_waits() -> None:
    wire, far = await wire_pair()

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await wire.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        wire.close_nowait()
    with pytest.raises(trio.ClosedResourceError):
        await wire.receive_some()
    await far.aclose()


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(body).to_bytes(2, "big") + body


async def test_tls_gets_its_records_one_at_a_time_and_a_wire_that_holds_one_is_not_quiet() -> None:
    wire, far = await wire_pair(TlsRecordWire)
    first, second = record(23, b"answer"), record(21, b"goodbye")
    await far.send_all(first + second[:3])
    assert await wire.receive_some() == first
    assert not wire.quiet()
    await far.send_all(second[3:])
    assert await wire.receive_some() == second
    assert wire.quiet()
    await far.send_all(first[:4])
    await far.aclose()
    assert await wire.receive_some() == first[:4]
    assert await wire.receive_some() == b""
    wire.close_nowait()


async def test_what_is_not_tls_goes_through_as_it_is() -> None:
    wire, far = await wire_pair(TlsRecordWire)
    await far.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert await wire.receive_some() == b"HTTP/1.1 400 Bad Request\r\n\r\n"
    wire.close_nowait()
    await far.aclose()


@given(st.lists(st.binary(max_size=16_384 + 2048), min_size=1, max_size=3))
def test_records_are_cut_where_their_headers_say(bodies: list[bytes]) -> None:
    held = b"".join(record(23, body) for body in bodies)
    for body in bodies:
        end = _record_end(held)
        assert held[:end] == record(23, body)
        held = held[end:]


async def test_its_repr_says_where_it_stands() -> None:
    wire, far = await wire_pair()
    await wire.send_all(b"secret")
    assert repr(wire).endswith("6 bytes sent>")
    wire.close_nowait()
    assert repr(wire) == "<SocketWire fd -1, 6 bytes sent>"
    await far.aclose()
