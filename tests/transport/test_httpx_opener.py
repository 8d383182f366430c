"""An upstream behind any httpx transport keeps the promises of the native one."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
import trio
import trio.testing
import trustme

from trio_gateway.errors import ConfigError, UpstreamBroke, UpstreamUnreachable
from trio_gateway.transport.httpx_opener import CLEANUP_S
from trio_gateway.transport.upstream import Upstream, UpstreamSettings

TARGET = b"/v1/chat?q=a|b%20c"
HEADERS = [(b"content-type", b"application/json"), (b"authorization", b"Bearer s3cret")]


def mocked(handler: Any, **settings: Any) -> Upstream:
    return Upstream(UpstreamSettings(base_url="https://h.example:8443", **settings), httpx.MockTransport(handler))


async def ask(upstream: Upstream) -> bytes:
    async with await upstream.open("POST", TARGET, HEADERS, b"{}") as response:
        return await response.read(1_000_000)


async def test_a_request_and_its_answer_pass_through_a_mock() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.host, request.url.port) == ("POST", "h.example", 8443)
        assert request.extensions["target"] == TARGET
        assert request.extensions["timeout"] == {"connect": 7}
        assert dict(request.headers) == {
            "host": "h.example:8443",
            "content-type": "application/json",
            "authorization": "Bearer s3cret",
            "accept-encoding": "identity",
            "content-length": "2",
        }
        assert request.content == b"{}"
        return httpx.Response(201, headers=[("X-A", "1"), ("x-a", "2")], content=b"hello")

    async with mocked(handle, connect_s=7) as upstream:
        response = await upstream.open(b"POST", TARGET, HEADERS, b"{}")
        assert response.status == 201
        assert response.headers == [(b"x-a", b"1"), (b"x-a", b"2"), (b"content-length", b"5")]
        assert not response.close_delimited
        assert await response.receive_some() == b"hello"
        assert await response.receive_some() == b""
        assert "s3cret" not in repr(response) + repr(upstream)
        await response.aclose()
        await response.aclose()
        assert upstream.in_use == 0
        with pytest.raises(trio.ClosedResourceError):
            await response.receive_some()


async def test_on_httpxs_own_transport_the_target_goes_out_byte_for_byte(provider_of: Any, answer: Any) -> None:
    seen: list[bytes] = []

    async def keep(peer: Any) -> None:
        while (request := await peer.read_request()) is not None:
            seen.append(request)
            await peer.send(answer())

    async with provider_of(keep) as provider:
        settings = UpstreamSettings(base_url=provider.url, transport="httpx")
        async with Upstream(settings) as upstream:
            for _ in range(2):
                assert await ask(upstream) == b"hello"
        assert provider.connections == 1
        await provider.wait_all_closed()
    assert seen[0].startswith(b"POST /v1/chat?q=a|b%20c HTTP/1.1\r\n")


async def test_through_a_proxy_the_proxy_sees_the_request_and_no_credentials_leak(
    provider_of: Any, answer: Any
) -> None:
    seen: list[bytes] = []

    async def proxy(peer: Any) -> None:
        seen.append(await peer.read_request())
        await peer.send(answer(b"by proxy"))

    async with provider_of(proxy) as provider:
        settings = UpstreamSettings(
            base_url="http://h.example",
            transport="httpx",
            proxy=provider.url.replace("://", "://user:s3cret@"),
        )
        async with Upstream(settings) as upstream:
            assert await ask(upstream) == b"by proxy"
            assert "s3cret" not in repr(upstream)
    assert seen[0].startswith(b"POST http://h.example")
    assert b"\r\nProxy-Authorization: Basic " in seen[0]


async def test_http_2_is_spoken_where_asked_for(provider_of: Any, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])

    async def speak_h2(peer: Any) -> None:
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        while True:
            await peer.send(server.data_to_send())
            data = await peer.stream.receive_some(65536)
            for event in server.receive_data(data) if data else ():
                if isinstance(event, h2.events.StreamEnded):
                    server.send_headers(event.stream_id, [(":status", "200")])
                    server.send_data(event.stream_id, b"by h2", end_stream=True)
            if not data:
                return

    def wrap(stream: trio.SocketStream) -> trio.SSLStream[trio.SocketStream]:
        return trio.SSLStream(stream, context, server_side=True, https_compatible=True)

    async with provider_of(speak_h2, wrap) as provider:
        url = f"https://127.0.0.1:{provider.port}"
        settings = UpstreamSettings(base_url=url, transport="httpx", http2=True, cafile=str(tmp_path / "ca.pem"))
        async with Upstream(settings) as upstream:
            for _ in range(2):
                response = await upstream.open("POST", TARGET, HEADERS, b"{}")
                assert not response.close_delimited
                assert await response.read(100) == b"by h2"
                await response.aclose()
        assert provider.connections == 1


def test_http_2_without_its_library_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="http2"):
        Upstream(UpstreamSettings(base_url="https://h", transport="httpx", http2=True))


async def test_a_proxy_that_is_not_there_is_unreachable() -> None:
    settings = UpstreamSettings(base_url="http://h.example", transport="httpx", proxy="http://user:s3cret@127.0.0.1:1")
    async with Upstream(settings) as upstream:
        with pytest.raises(UpstreamUnreachable, match=r"cannot connect to h\.example:80") as caught:
            await ask(upstream)
        assert "s3cret" not in str(caught.value)
        assert upstream.in_use == 0


@pytest.mark.parametrize("proxy", ["nonsense", "ftp://u:s3cret@h", "http://u:s3cret@h:port"])
def test_an_impossible_proxy_is_refused_without_its_password(proxy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Upstream(UpstreamSettings(base_url="https://h", transport="httpx", proxy=proxy))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ConnectError("no route"), UpstreamUnreachable),
        (httpx.ConnectTimeout(""), UpstreamUnreachable),
        (httpx.ReadError("reset"), UpstreamBroke),
        (httpx.RemoteProtocolError("nonsense"), UpstreamBroke),
        (httpx.WriteError(""), UpstreamBroke),
    ],
)
async def test_its_errors_say_whether_the_request_may_have_been_processed(
    raised: httpx.TransportError, kind: type[Exception]
) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise raised

    async with mocked(handle) as upstream:
        with pytest.raises(kind, match=str(raised) or type(raised).__name__) as caught:
            await ask(upstream)
        assert caught.value.__cause__ is raised
        assert upstream.in_use == 0


class Body(httpx.AsyncByteStream):
    def __init__(self, *, hangs: bool = False, fails: bool = False, will_not_close: bool = False) -> None:
        self.hangs, self.fails, self.will_not_close, self.closed = hangs, fails, will_not_close, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b""
        yield b"first"
        if self.hangs:
            await trio.sleep_forever()
        if self.fails:
            raise httpx.ReadError("reset")

    async def aclose(self) -> None:
        self.closed = True
        if self.will_not_close:
            await trio.sleep_forever()


async def test_a_body_that_breaks_off_is_broken() -> None:
    async with mocked(lambda _: httpx.Response(200, stream=Body(fails=True))) as upstream:
        with pytest.raises(UpstreamBroke, match="reset"):
            await ask(upstream)


async def test_a_body_without_a_length_is_told_apart_unless_http_2_frames_it() -> None:
    for version, close_delimited in ((b"HTTP/1.1", True), (b"HTTP/2", False)):
        answer = httpx.Response(200, stream=Body(), extensions={"http_version": version})
        async with mocked(lambda _, answer=answer: answer) as upstream:
            response = await upstream.open("POST", TARGET, HEADERS, b"")
            assert response.close_delimited is close_delimited
            assert await response.read(100) == b"first"
            await response.aclose()


async def test_a_cancelled_exchange_closes_the_response_and_gives_up_its_place() -> None:
    body = Body(hangs=True)
    async with mocked(lambda _: httpx.Response(200, stream=body), connections_max=1) as upstream:
        with trio.CancelScope() as scope:
            async with await upstream.open("POST", TARGET, HEADERS, b"") as response:
                assert await response.receive_some() == b"first"
                scope.cancel(reason="the client left")
                await response.receive_some()
        assert scope.cancelled_caught
        assert body.closed
        assert upstream.in_use == 0


async def test_a_transport_that_will_not_close_holds_an_exchange_up_for_so_long_and_no_longer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    body = Body(will_not_close=True)
    async with mocked(lambda _: httpx.Response(200, stream=body)) as upstream:
        started = trio.current_time()
        await ask(upstream)
        assert trio.current_time() - started == CLEANUP_S
        assert upstream.in_use == 0


async def test_content_codings_are_undone_as_ever() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        coding = "gzip" if request.extensions["target"] == TARGET else "compress"
        return httpx.Response(
            200, headers={"content-encoding": coding}, stream=httpx.ByteStream(gzip.compress(b"text"))
        )

    async with mocked(handle) as upstream:
        assert await ask(upstream) == b"text"
        with pytest.raises(UpstreamBroke, match="cannot be undone"):
            await upstream.open("POST", b"/", [], b"")
        assert upstream.in_use == 0


async def test_what_the_native_transport_refuses_to_send_is_refused_here() -> None:
    async with mocked(lambda _: httpx.Response(200)) as upstream:
        for target, headers in ((b"/\r\n", []), (b"/", [(b"x", b"\n")]), (b"/", [(b"transfer-encoding", b"chunked")])):
            with pytest.raises(ValueError, match=r"target|value|writes"):
                await upstream.open("POST", target, headers, b"")


async def test_connections_max_holds_here_too() -> None:
    async with mocked(lambda _: httpx.Response(200, content=b"x"), connections_max=1) as upstream:
        held = await upstream.open("POST", TARGET, HEADERS, b"")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, upstream)
            await trio.testing.wait_all_tasks_blocked()
            assert upstream.waiting == 1
            await held.aclose()
        upstream.expire()
