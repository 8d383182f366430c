"""Open the listening sockets, and accept on them until told to stop."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Sequence

import trio

from trio_gateway.errors import ConfigError
from trio_gateway.server.service import log
from trio_gateway.server_config import ServerConfig

ACCEPT_PAUSE_S = 0.1
"""Seconds without accepting when the process or the machine has no room for another connection."""

ACCEPTS_PER_CHECKPOINT = 32

NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
LISTENER_BROKEN = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP, errno.EFAULT})

Accepted = Callable[[socket.socket, object], None]


def listen(config: ServerConfig, sockets: Sequence[socket.socket] | None = None) -> list[socket.socket]:
    """Non-blocking sockets that listen as `config.bind` says; or `sockets`, bound already. Raises `ConfigError`.

    A unix socket left behind by a dead process is removed; one that is served is not.
    """
    if sockets is None:
        binds = as_list(config.bind)
        paths = [bind for bind in binds if bind.startswith("unix:")]
        if paths and config.workers > 1:
            raise ConfigError([f"server.bind: several workers cannot share {paths[0]}; use TCP, or one worker"])
        for path in paths:
            refuse_live_socket(path[5:])
        sockets = create_sockets(binds, share_ports=config.workers > 1)
    for listener in sockets:
        listener.setblocking(False)
        listener.listen(config.backlog)
    return list(sockets)


def create_sockets(binds: Sequence[str], *, share_ports: bool) -> list[socket.socket]:
    """Bound sockets, none of them left open if one cannot be had. Raises `ConfigError`."""
    created: list[socket.socket] = []
    try:
        for bind in binds:
            created.append(create_socket(bind, share_ports))
    except (OSError, ValueError, OverflowError) as error:
        for listener in created:
            listener.close()
        raise ConfigError([f"server.bind: cannot listen on {bind}: {error}"]) from error
    return created


def create_socket(bind: str, share_port: bool) -> socket.socket:
    """What Hypercorn's `Config.create_sockets` does, save that it guesses no port and leaks no socket on failure."""
    address: str | tuple[str, int]
    if bind.startswith("unix:"):
        family, address = socket.AF_UNIX, bind[5:]
    else:
        family, address = parse_bind(bind)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if share_port:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def parse_bind(bind: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """`host:port` or `[v6-address]:port`. Raises `ValueError`."""
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host) != host.startswith("["):
        raise ValueError("not of the form host:port, [v6-address]:port or unix:/path")
    if host.startswith("["):
        return socket.AF_INET6, (host.strip("[]"), int(port))
    return socket.AF_INET, (host, int(port))


def as_list(bind: str | list[str]) -> list[str]:
    return [bind] if isinstance(bind, str) else bind


def refuse_live_socket(path: str) -> None:
    """Remove a socket file that nobody serves any more, and nothing else."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise ConfigError([f"server.bind: {path} exists and is not a socket"])
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # nobody listens: stale
            return
        except BlockingIOError:
            pass  # somebody does, with a full backlog
        except OSError as error:
            raise ConfigError([f"server.bind: {path} cannot be taken over: {error}"]) from error
    raise ConfigError([f"server.bind: {path} is being served by another process"])


def refuse_taken_ports(binds: Sequence[str]) -> None:
    """Raise `ConfigError` if somebody listens on one of the TCP ports already.

    Workers open their ports with SO_REUSEPORT, which would let a second gateway take half of the first one's
    connections without a word. So ask once without it, before they start.
    """
    for probe in create_sockets([bind for bind in binds if not bind.startswith("unix:")], share_ports=False):
        probe.close()


def close_listeners(listeners: Sequence[socket.socket]) -> None:
    """Close them, and remove the files of unix sockets that are still ours."""
    for listener in listeners:
        if listener.fileno() < 0:
            continue
        name = listener.getsockname()
        trio.lowlevel.notify_closing(listener)
        listener.close()
        if isinstance(name, str) and name and not name.startswith("\0"):
            try:
                os.unlink(name)
            except FileNotFoundError:
                pass


def bound_address(listener: socket.socket, scheme: str) -> str:
    """What to write into a client's configuration."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"{scheme}://{host}:{name[1]}"


async def accept(listener: socket.socket, accepted: Accepted) -> None:
    """Hand each new connection to `accepted`, until cancelled. Nothing a client does ends this."""
    while True:
        await trio.lowlevel.wait_readable(listener)
        if not accept_waiting(listener, accepted, ACCEPTS_PER_CHECKPOINT):
            await trio.sleep(ACCEPT_PAUSE_S)


def accept_waiting(listener: socket.socket, accepted: Accepted, at_most: int) -> bool:
    """Accept what is waiting. False when there is no room for another connection now."""
    for _ in range(at_most):
        try:
            connected, peer = listener.accept()
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno in LISTENER_BROKEN:
                raise
            if error.errno in NO_ROOM:
                log.error("cannot accept: %s; trying again in %g s", error.strerror, ACCEPT_PAUSE_S)
                return False
            continue  # the connection died before it was accepted; Linux tells here
        connected.setblocking(False)
        accepted(connected, peer)
    return True
