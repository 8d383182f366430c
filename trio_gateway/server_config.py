"""The `[server]` table: where the gateway listens, and how much it lets a client ask of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
"""A whole number; 0 often means "no limit", where its field says so."""

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class ServerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits are per connection and per worker process unless a field says otherwise."""

    bind: str | list[str] = "127.0.0.1:18789"
    """Where to listen: `host:port`, `[v6-address]:port` or `unix:/path`, one or several. Port 0 takes a free one."""

    workers: Positive = 1
    """Worker processes, one per core at most. Above 1 each opens the TCP ports for itself (SO_REUSEPORT)."""

    max_body_bytes: Count = 33_554_432
    """The largest body. Passing it is a 413: at once when Content-Length tells, else as soon as it is counted."""

    header_max_bytes: Annotated[int, Meta(ge=256)] = 65_536
    """The largest request head: request line, headers and the empty line. Passing it is a 431."""

    header_count_max: Positive = 128
    """The most header fields in a request. Passing it is a 431. Trailers of a chunked body have the same limit."""

    header_s: Seconds = 10
    """Seconds for a whole request head, from its first byte (a 408), and for a TLS handshake. A connection on which
    nothing ever arrives is closed after as long, without a word."""

    body_s: Seconds = 300
    """Seconds for a whole body, from the end of its head, not counting time the application lets it wait. A 408."""

    idle_s: Seconds = 75
    """Seconds a connection is kept open between two requests."""

    write_stall_s: Seconds = 30
    """Seconds a client may read nothing at all while the gateway has bytes for it; then its connection is closed."""

    requests_per_connection_max: Count = 0
    """Requests after which a connection is closed, so that long-lived clients spread anew; 0: no limit."""

    connections_max: Positive = 20_000
    """Open connections per worker. The next one gets a 503 and is closed."""

    connections_per_address_max: Count = 0
    """Open connections per worker and client address; 0: no limit. Behind a proxy, all clients share its address."""

    backlog: Positive = 4096
    """Connections the kernel holds for us before they are accepted (it may hold fewer: `net.core.somaxconn`)."""

    drain_s: Annotated[float, Meta(ge=0)] = 30
    """Seconds that running exchanges may take to finish once the gateway was told to stop; then they are cancelled."""

    certfile: str | None = None
    """PEM file: the server's certificate, then its chain. TLS is on when both files are given."""

    keyfile: str | None = None
    """PEM file: the certificate's private key."""

    http2: bool = False
    """Offer HTTP/2 over TLS. It is served by Hypercorn, whose HTTP/2 holds whatever a slow client does not read in
    memory, without limit, and does not cancel an exchange by itself: rather put a proxy in front that speaks it."""
