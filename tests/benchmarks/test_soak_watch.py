"""What /proc tells of the connections of this very process."""

from __future__ import annotations

import os
import socket

from soak_watch import connections_of, descriptors_of, resident_bytes, sockets_of

ME = os.getpid()
GONE = 2**22 + 1  # more than any process id


def test_a_process_that_has_ended_holds_nothing() -> None:
    assert resident_bytes(GONE) == 0
    assert descriptors_of(GONE) == 0
    assert sockets_of(GONE) == set()
    assert connections_of(1, GONE) == set()


def test_memory_is_in_bytes() -> None:
    assert 1_000_000 < resident_bytes(ME) < 100_000_000_000


def test_a_descriptor_more_is_counted() -> None:
    before = descriptors_of(ME)
    with open(os.devnull, "rb"):
        assert descriptors_of(ME) == before + 1
    assert descriptors_of(ME) == before


def test_a_listener_is_told_from_a_connection() -> None:
    before = sockets_of(ME)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        inode = os.fstat(listener.fileno()).st_ino
        assert sockets_of(ME) - before == {inode}
        with socket.create_connection(listener.getsockname()):
            assert sockets_of(ME) - before == {inode}


def test_connections_are_known_by_their_clients_ports_accepted_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert connections_of(port, ME) == set()
        with socket.create_connection(("127.0.0.1", port)) as client:
            own_port = client.getsockname()[1]
            assert connections_of(port, ME) == {own_port}
            accepted, _ = listener.accept()
            with accepted:
                assert connections_of(port, ME) == {own_port}
                assert connections_of(port, GONE) == set()
                client.shutdown(socket.SHUT_WR)
                assert connections_of(port, ME) == {own_port}
