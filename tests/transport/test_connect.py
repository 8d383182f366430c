"""Finding, reaching and trusting an upstream; and the words for when that fails."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from trio.testing import MockClock

from trio_gateway.errors import ConfigError, UpstreamBroke, UpstreamUnreachable
from trio_gateway.transport.client import Client
from trio_gateway.transport.connect import Origin, connect, parse_origin, tls_context
from trio_gateway.transport.settings import TransportSettings

HEAD = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "origin", "host_header"),
    [
        ("https://api.openai.com", Origin("https", "api.openai.com", 443), b"api.openai.com"),
        ("https://api.openai.com:443/", Origin("https", "api.openai.com", 443), b"api.openai.com"),
        ("http://127.0.0.1:11434", Origin("http", "127.0.0.1", 11434), b"127.0.0.1:11434"),
        ("http://[::1]:8000", Origin("http", "::1", 8000), b"[::1]:8000"),
        ("http://my_service", Origin("http", "my_service", 80), b"my_service"),
        ("https://b\u00fccher.example", Origin("https", "xn--bcher-kva.example", 443), b"xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_read_from_its_url(url: str, origin: Origin, host_header: bytes) -> None:
    assert parse_origin(url) == origin
    assert parse_origin(url).host_header == host_header


@pytest.mark.parametrize(
    "url",
    [
        "", "api.openai.com", "ftp://h", "https://", "https://h:port", "https://h:99999", "https://h/v1", "https://h?x=1",
        "https://h#x", "https://user:s3cret@h", "https://:s3cret@h", "https://h\r\nx: y", "https://a b", "http://[::1",
        "https://s3cret@", "https://h:s3cret",
    ],
)  # fmt: skip
def test_a_url_that_is_no_origin_is_refused_without_quoting_a_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_origin(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_refused_connection_names_the_address_and_the_reason() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        with pytest.raises(
            UpstreamUnreachable, match=f"cannot connect to 127.0.0.1:{port}: Connection refused"
        ) as caught:
            await connect(Origin("http", "127.0.0.1", port), None, 10)
    assert isinstance(caught.value.__cause__, OSError)


class NoNames(trio.abc.HostnameResolver):
    async def getaddrinfo(self, *args: object, **options: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *args: object) -> Any:
        raise NotImplementedError


async def test_an_unknown_name_is_unreachable_with_the_resolvers_words() -> None:
    trio.socket.set_custom_hostname_resolver(NoNames())
    with pytest.raises(UpstreamUnreachable, match=r"cannot connect to nowhere\.invalid:80: Name or service not known"):
        await connect(Origin("http", "nowhere.invalid", 80), None, 10)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_connecting_has_a_deadline_that_covers_the_handshake(
    scheme: str, provider_of: Any, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def never(*args: object, **options: object) -> None:
        await trio.sleep_forever()

    autojump_clock.autojump_threshold = 0.05  # loopback is real, and slower than the clock
    async with provider_of(lambda peer: peer.read_end()) as provider:
        if scheme == "http":
            monkeypatch.setattr(trio, "open_tcp_stream", never)
        with pytest.raises(UpstreamUnreachable, match="no connection within 3 s"):
            await connect(Origin(scheme, "127.0.0.1", provider.port), tls_context(TransportSettings()), 3)
        if scheme == "https":
            await provider.wait_all_closed()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def cafile(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


Wrap = Callable[[trio.SocketStream], trio.SSLStream[trio.SocketStream]]


def serving(authority: trustme.CA, *names: str, client_ca: trustme.CA | None = None) -> tuple[Wrap, list[Any]]:
    """A TLS server's side of a connection, and what it was asked for: names by SNI."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    asked: list[Any] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    if client_ca is not None:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return lambda stream: trio.SSLStream(stream, context, server_side=True, https_compatible=True), asked


def origin_of(provider: Any, host: str = "localhost") -> Origin:
    return Origin("https", host, provider.port)


async def test_tls_carries_requests_and_its_connections_are_used_again(
    provider_of: Any, answer_all: Any, authority: trustme.CA, cafile: str
) -> None:
    wrap, asked = serving(authority, "localhost")
    settings = TransportSettings(cafile=cafile)
    client = Client(settings, tls_context(settings))
    async with provider_of(answer_all, wrap) as provider:
        for _ in range(3):
            connection = await client.open(origin_of(provider), HEAD, b"")
            assert connection._stream.selected_alpn_protocol() == "http/1.1"
            assert await connection.receive_some() == b"hello"
            client.release(connection)
        assert provider.connections == 1
        assert asked == ["localhost"]
        assert "over TLS" in repr(connection)
        client.close()
        await provider.wait_all_closed()


async def test_tls_that_ends_while_idle_is_noticed_before_it_is_used(
    provider_of: Any, answer: Any, authority: trustme.CA, cafile: str
) -> None:
    async def answer_one(peer: Any) -> None:
        await peer.read_request()
        await peer.send(answer())

    wrap, _ = serving(authority, "localhost")
    settings = TransportSettings(cafile=cafile)
    client = Client(settings, tls_context(settings))
    async with provider_of(answer_one, wrap) as provider:
        for _ in range(2):
            connection = await client.open(origin_of(provider), HEAD, b"")
            assert await connection.receive_some() == b"hello"
            client.release(connection)
            await provider.wait_all_closed()
        assert provider.connections == 2
    client.close()


async def test_a_second_answer_waiting_behind_tls_is_not_handed_to_the_next_request(
    provider_of: Any, answer: Any, authority: trustme.CA, cafile: str
) -> None:
    class Corked(trio.abc.Stream):
        """Sends what it is given only when told to: two records then arrive as one segment."""

        def __init__(self, stream: trio.SocketStream) -> None:
            self.inner, self.held, self.corked = stream, b"", False

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            self.held += bytes(data)
            await trio.lowlevel.checkpoint()
            if not self.corked:
                data, self.held = self.held, b""
                await self.inner.send_all(data)

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            return await self.inner.receive_some(max_bytes)

        async def wait_send_all_might_not_block(self) -> None:
            await self.inner.wait_send_all_might_not_block()

        async def aclose(self) -> None:
            await self.inner.aclose()

    async def answer_twice(peer: Any) -> None:
        await peer.read_request()
        cork = peer.stream.transport_stream
        cork.corked = True
        await peer.send(answer(b"asked"))
        cork.corked = False
        await peer.send(answer(b"not asked"))
        await peer.read_end()

    wrap, _ = serving(authority, "localhost")
    settings = TransportSettings(cafile=cafile)
    client = Client(settings, tls_context(settings))
    async with provider_of(answer_twice, lambda stream: wrap(Corked(stream))) as provider:  # type: ignore[arg-type]  # any stream will do
        for _ in range(2):
            connection = await client.open(origin_of(provider), HEAD, b"")
            assert await connection.receive_some() == b"asked"
            assert await connection.receive_some() == b""
            client.release(connection)
        assert provider.connections == 2
        client.close()
        await provider.wait_all_closed()


async def test_a_refusal_while_a_large_request_is_being_sent_is_read_over_tls_too(
    provider_of: Any, answer: Any, authority: trustme.CA, cafile: str
) -> None:
    async def refuse(peer: Any) -> None:
        await peer.stream.receive_some(1000)
        await peer.send(answer(b"too large", status=b"413 Content Too Large"))
        await trio.sleep_forever()

    wrap, _ = serving(authority, "localhost")
    settings = TransportSettings(cafile=cafile)
    async with provider_of(refuse, wrap) as provider:
        connection = await connect(origin_of(provider), tls_context(settings), 10)
        await connection.request(b"POST / HTTP/1.1\r\ncontent-length: 30000000\r\n\r\n", bytes(30_000_000))
        assert connection.status == 413
        assert await connection.receive_some() == b"too large"
        assert not connection.reusable
        connection.close_nowait()


async def refused(provider: Any, settings: TransportSettings, host: str = "localhost") -> str:
    with pytest.raises(UpstreamUnreachable) as caught:
        await connect(origin_of(provider, host), tls_context(settings), 10)
    await provider.wait_all_closed()
    assert f"TLS with {host}:{provider.port} failed" in str(caught.value)
    return str(caught.value)


async def test_a_certificate_is_verified_unless_told_otherwise(
    provider_of: Any, answer_all: Any, authority: trustme.CA, cafile: str
) -> None:
    wrap, _ = serving(authority, "elsewhere.example")
    async with provider_of(answer_all, wrap) as provider:
        assert "certificate" in await refused(provider, TransportSettings())
        assert "Hostname mismatch" in await refused(provider, TransportSettings(cafile=cafile))
        connection = await connect(origin_of(provider), tls_context(TransportSettings(verify=False)), 10)
        connection.close_nowait()


async def test_an_upstream_that_speaks_no_tls_is_unreachable(provider_of: Any) -> None:
    async def plain(peer: Any) -> None:
        await peer.stream.receive_some(1000)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def hang_up(peer: Any) -> None:
        await peer.stream.receive_some(1000)

    async with provider_of(plain) as provider:
        await refused(provider, TransportSettings())
    async with provider_of(hang_up) as provider:
        assert "it closed the connection" in await refused(provider, TransportSettings())


async def test_a_client_certificate_is_shown_and_its_absence_is_told(
    provider_of: Any, answer_all: Any, authority: trustme.CA, cafile: str, tmp_path: Path
) -> None:
    certificate = authority.issue_cert("gateway@example.com")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.private_key_pem.write_to_path(key)
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(cert, append=True)
    wrap, _ = serving(authority, "localhost", client_ca=authority)
    async with provider_of(answer_all, wrap) as provider:
        settings = TransportSettings(cafile=cafile, client_cert=str(cert), client_key=str(key))
        connection = await connect(origin_of(provider), tls_context(settings), 10)
        await connection.request(HEAD, b"")
        assert await connection.receive_some() == b"hello"
        connection.close_nowait()
        # TLS 1.3 lets the client finish first: the refusal comes instead of an answer.
        connection = await connect(origin_of(provider), tls_context(TransportSettings(cafile=cafile)), 10)
        with pytest.raises(UpstreamBroke, match=r"certificate required|closed the connection|reset"):
            await connection.request(HEAD, b"")
        connection.close_nowait()


def test_files_that_cannot_be_used_are_the_operators_to_mend(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for settings in (
        TransportSettings(cafile=str(tmp_path / "missing.pem")),
        TransportSettings(cafile=str(garbage)),
        TransportSettings(client_cert=str(garbage), client_key=str(garbage)),
    ):
        with pytest.raises(ConfigError, match="cafile, client_cert, client_key"):
            tls_context(settings)


def test_nothing_older_than_tls_1_2_is_spoken() -> None:
    context = tls_context(TransportSettings())
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
