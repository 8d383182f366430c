"""The same work through other gateways, each in an environment of its own under a cache directory.

What is not there, and cannot be had from its registry, is skipped with a reason.
"""

from __future__ import annotations

import msgspec
from house import SAME, SAME_STREAM, STREAM_EVENTS, House
from loads import Ask, load
from processes import NotReady, Server, free_port
from scenarios import Cost, Effort, costs

from peers.programs import PROGRAMS, Peer, Unavailable

BESIDE = "the gateway beside "


def measure_peers(
    house: House, gateway: Server, effort: Effort, units_us: list[float]
) -> tuple[list[Cost], dict[str, str]]:
    """Return what each peer's requests cost, with the gateway's in turns beside it, and why others were skipped."""
    found: list[Cost] = []
    skipped: dict[str, str] = {}
    for name, program in PROGRAMS.items():
        port = free_port()
        try:
            peer = program(port, house.apart.port, house.directory)
            with _start(house, name, port, peer) as server:
                _check(server, _ask(peer, stream=False))
                named = [
                    (f"{name}: plain, same dialect", server, _ask(peer, stream=False), 1),
                    (f"{BESIDE}{name}: plain, same dialect", gateway, Ask(SAME), 1),
                    (f"{name}: stream, same dialect", server, _ask(peer, stream=True), STREAM_EVENTS),
                ]
                found += costs(house, effort, named, units_us)
        except (Unavailable, NotReady) as reason:
            skipped[name] = " ".join(str(reason).split())[:300]
    return found, skipped


def _start(house: House, name: str, port: int, peer: Peer) -> Server:
    log = house.directory / f"{name}.log"
    server = Server(peer.command, port, log=log, cores=house.measured, environ=peer.environ)
    server.wait_ready()
    return server


def _check(server: Server, ask: Ask) -> None:
    server.wait_ready(ask.bytes())
    felt = load(server.port, ask, 1, 1)
    if not felt.requests or felt.failed:
        raise NotReady(f"{felt.failed} of {felt.requests} requests failed")


def _ask(peer: Peer, *, stream: bool) -> Ask:
    ask = Ask(peer.model or SAME, stream, SAME_STREAM if stream else "hi there", headers=peer.headers)
    return msgspec.structs.replace(ask, path=peer.path)
