"""How to reach an upstream."""

from __future__ import annotations

from typing import Literal

import msgspec


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What does not depend on where a request goes.

    connections_max: requests under way at once; the next ones wait their turn, first come first served.
    idle_s, idle_max: how long, and how many, connections are kept for later requests.
    connect_s: for name lookup, TCP and TLS together.
    cafile: the authorities to trust instead of the system's. client_cert, client_key: PEM files, for mutual TLS.
    verify: False accepts any certificate for any name.
    """

    connections_max: int = 1000
    idle_s: float = 30.0
    idle_max: int = 256
    connect_s: float = 10.0
    cafile: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    verify: bool = True


class UpstreamSettings(TransportSettings, frozen=True, kw_only=True):
    """One upstream. `base_url` is its origin: scheme, host and perhaps port, no path, no credentials.

    transport: "httpx" leaves the connections to httpx, which can go through a `proxy` (http, https) and speak HTTP/2,
    at an order of magnitude more CPU a request.
    """

    base_url: str
    transport: Literal["native", "httpx"] = "native"
    proxy: str | None = None
    http2: bool = False

    def __repr__(self) -> str:
        # Not the fields: a proxy's URL may hold its password.
        return (
            f"<UpstreamSettings {self.transport}{', by proxy' if self.proxy else ''}, {self.connections_max} at once>"
        )
