"""A server as a whole, on real sockets: start, admission, TLS, drain."""

from __future__ import annotations

import errno
import socket
import ssl
import subprocess
import sys

import h2.config
import h2.connection
import h2.events
import pytest
import trio
import trustme

from trio_gateway.errors import ConfigError
from trio_gateway.server.lifespan import LifespanFailed
from trio_gateway.server.listeners import accept_waiting, refuse_taken_ports
from trio_gateway.server.serve import serve
from trio_gateway.server_config import ServerConfig

GET = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n"


class Gate:
    """An application that answers once it is let."""

    def __init__(self, *, head_first: bool = False) -> None:
        self.open = trio.Event()
        self.head_first = head_first

    async def __call__(self, scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if self.head_first:
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await self.open.wait()
        await send({"type": "http.response.body", "body": b"2"})


# Drain


async def test_a_drain_lets_a_running_exchange_finish_and_its_response_says_close(serving):
    gate = Gate()
    async with serving(gate, drain_s=3600) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await running.app.started.wait()
        running.shutdown.set()
        await trio.testing.wait_all_tasks_blocked()
        assert not running.stopped.is_set()
        gate.open.set()
        assert (await client.response())[1][b"connection"] == b"close"
        assert await client.read_to_end() == b""
        await running.stopped.wait()
        assert running.app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


async def test_a_drain_lets_a_stream_that_began_before_it_come_to_its_end(serving):
    gate = Gate(head_first=True)
    async with serving(gate, drain_s=3600) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await client.head()
        running.shutdown.set()
        gate.open.set()
        assert await client.read_to_end() == b"1\r\n1\r\n1\r\n2\r\n0\r\n\r\n"
        await running.stopped.wait()


async def test_a_drain_closes_idle_connections_at_once(serving):
    async with serving(drain_s=3600, idle_s=3600) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await client.response()
        running.shutdown.set()
        assert await client.read_to_end() == b""
        await running.stopped.wait()


async def test_a_drain_answers_a_connection_that_was_just_opened(serving):
    async with serving(drain_s=3600) as running:
        client = await running.connect()
        running.shutdown.set()
        await client.send(GET % b"1")
        assert (await client.response())[2] == b"/1 "
        await running.stopped.wait()


async def test_a_drain_closes_the_listeners(serving):
    gate = Gate()
    async with serving(gate, drain_s=3600) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await running.app.started.wait()
        running.shutdown.set()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="connect"):
            await running.connect()
        gate.open.set()


async def test_exchanges_that_outlast_drain_s_are_cancelled(serving, asgi):
    async with serving(asgi.hang, drain_s=0.01) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await running.app.started.wait()
        running.shutdown.set()
        await running.stopped.wait()
        assert running.app.outcomes == ["cancelled"]


async def test_abort_cancels_what_a_drain_waits_for(serving, asgi):
    async with serving(asgi.hang, drain_s=3600) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await running.app.started.wait()
        running.shutdown.set()
        await trio.testing.wait_all_tasks_blocked()
        running.server.abort("told to stop twice")
        await running.stopped.wait()
        assert running.app.outcomes == ["cancelled"]
        assert running.app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


# Admission


async def test_a_connection_beyond_connections_max_gets_a_503_and_there_is_room_when_one_leaves(serving):
    async with serving(connections_max=1) as running:
        first, second = await running.connect(), await running.connect()
        await first.send(GET % b"1")
        await first.response()
        await second.send(GET % b"2")
        assert await second.refusal() == (503, "too_many_connections")
        await first.stream.aclose()
        while running.server.service.open_count:
            await trio.testing.wait_all_tasks_blocked()
        third = await running.connect()
        await third.send(GET % b"3")
        assert (await third.response())[2] == b"/3 "


async def test_a_connection_beyond_connections_per_address_max_gets_a_503_and_other_addresses_do_not(serving):
    async with serving(connections_per_address_max=1) as running:
        first, second = await running.connect(), await running.connect()
        await first.send(GET % b"1")
        await first.response()
        assert await second.refusal() == (503, "too_many_connections")
        with trio.socket.socket() as elsewhere:
            await elsewhere.bind(("127.0.0.2", 0))
            await elsewhere.connect(("127.0.0.1", running.port))
            await elsewhere.send(GET % b"2")
            assert (await elsewhere.recv(1000)).startswith(b"HTTP/1.1 200")
        await first.stream.aclose()
        while running.server.service.open_count:
            await trio.testing.wait_all_tasks_blocked()
        assert not running.server.service._addresses


class Listener:
    """Stands in for a listening socket: each accept does what is next in `script`."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)

    def accept(self) -> tuple[object, object]:
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step, ("192.0.2.1", 1)


class Socket:
    def setblocking(self, blocking: bool) -> None:
        assert not blocking


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting_pauses_when_there_is_no_room_for_another_connection(number, caplog):
    accepted = []
    listener = Listener(Socket(), OSError(number, "no room"), Socket())
    assert not accept_waiting(listener, lambda connected, peer: accepted.append(connected), 10)
    assert len(accepted) == 1
    assert "no room" in caplog.text


def test_a_connection_that_died_before_it_was_accepted_is_passed_over():
    accepted = []
    listener = Listener(ConnectionAbortedError(errno.ECONNABORTED, ""), Socket(), BlockingIOError())
    assert accept_waiting(listener, lambda connected, peer: accepted.append(connected), 10)
    assert len(accepted) == 1


def test_a_listener_that_is_broken_is_not_tried_for_ever():
    with pytest.raises(OSError, match="bad"):
        accept_waiting(Listener(OSError(errno.EBADF, "bad")), lambda connected, peer: None, 10)


async def test_a_server_without_file_descriptors_goes_on_when_it_has_some_again(serving, monkeypatch, caplog):
    failures = [OSError(errno.EMFILE, "Too many open files")] * 2
    real = socket.socket.accept

    def accept(self):
        if failures:
            raise failures.pop()
        return real(self)

    async with serving() as running:
        monkeypatch.setattr(socket.socket, "accept", accept)
        client = await running.connect()
        await client.send(GET % b"1")
        assert (await client.response())[2] == b"/1 "
    assert "Too many open files" in caplog.text


# Where it listens


async def test_a_unix_socket_is_served_and_removed_and_a_stale_one_is_taken_over(serving, tmp_path):
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    async with serving(bind=f"unix:{path}") as running:
        assert running.server.binds == [f"unix:{path}"]
        async with await trio.open_unix_socket(str(path)) as stream:
            await stream.send_all(GET % b"1")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        (scope,) = running.app.scopes
        assert (scope["client"], scope["server"]) == (None, (str(path), None))
        with pytest.raises(ConfigError, match="being served"):
            await serve(running.app, ServerConfig(bind=f"unix:{path}"))
    assert not path.exists()


async def test_a_file_in_the_place_of_a_unix_socket_is_left_alone(serving, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(bind=f"unix:{path}"):
            pass
    assert caught.group_contains(ConfigError, match="is not a socket")
    assert path.read_text() == "data"


async def test_several_binds_are_all_served(serving):
    async with serving(bind=["127.0.0.1:0", "[::1]:0"]) as running:
        assert [bind.rsplit(":", 1)[0] for bind in running.server.binds] == ["http://127.0.0.1", "http://[::1]"]
        port = int(running.server.binds[1].rsplit(":", 1)[1])
        async with await trio.open_tcp_stream("::1", port) as stream:
            await stream.send_all(GET % b"1")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        assert running.app.scopes[0]["client"][0] == "::1"
        assert running.app.scopes[0]["server"] == ("::1", port)


async def test_a_port_that_is_taken_is_the_operators_error(serving, asgi):
    async with serving() as running:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with serving(bind=f"127.0.0.1:{running.port}"):
                pass
        assert caught.group_contains(ConfigError, match="cannot listen")
        with pytest.raises(ConfigError, match="cannot listen"):
            refuse_taken_ports([f"127.0.0.1:{running.port}", "unix:/ignored"])
    refuse_taken_ports([f"127.0.0.1:{running.port}"])


@pytest.mark.parametrize(
    "bind", ["localhost", "127.0.0.1:", "127.0.0.1:x", "::1:80", "127.0.0.1:70000", "[127.0.0.1:1"]
)
async def test_a_bind_that_is_none_is_the_operators_error(bind):
    async def app(scope, receive, send):
        raise NotImplementedError

    with pytest.raises(ConfigError, match="cannot listen"):
        await serve(app, ServerConfig(bind=bind))


async def test_several_workers_share_a_port_and_cannot_share_a_unix_socket(serving, tmp_path):
    async with serving(workers=2) as first, serving(workers=2, bind=f"127.0.0.1:{first.port}") as second:
        assert first.port == second.port
    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(workers=2, bind=f"unix:{tmp_path}/s"):
            pass
    assert caught.group_contains(ConfigError, match="cannot share")


async def test_sockets_that_are_given_are_served_instead(asgi):
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await asgi.echo(scope, receive, send)

    given = socket.create_server(("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:

        async def run(task_status):
            await serve(app, ServerConfig(), sockets=[given], task_status=task_status)

        server = await nursery.start(run)
        assert server.binds == [f"http://127.0.0.1:{given.getsockname()[1]}"]
        async with await trio.open_tcp_stream(*given.getsockname()) as stream:
            await stream.send_all(GET % b"1")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        nursery.cancel_scope.cancel(reason="seen enough")
    assert given.fileno() < 0


# Lifespan


@pytest.mark.parametrize("message", ["no database", ""])
async def test_an_application_that_cannot_start_is_not_served(message):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": message})

    with pytest.raises(LifespanFailed, match=message or "did not say why"):
        await serve(app, ServerConfig(bind="127.0.0.1:0"))


async def test_an_application_that_does_not_start_in_time_is_not_served(autojump_clock):
    async def app(scope, receive, send):
        await trio.sleep_forever()

    with pytest.raises(LifespanFailed, match="60 seconds"):
        await serve(app, ServerConfig(bind="127.0.0.1:0"))


async def test_an_application_without_lifespan_is_served_without(caplog):
    async def app(scope, receive, send):
        assert scope["type"] == "http"

    shutdown = trio.Event()
    shutdown.set()
    await serve(app, ServerConfig(bind="127.0.0.1:0"), shutdown=shutdown)
    assert "does not support lifespan" in caplog.text


async def test_a_failed_shutdown_is_told():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "could not flush"})

    shutdown = trio.Event()
    shutdown.set()
    with pytest.raises(LifespanFailed, match="could not flush"):
        await serve(app, ServerConfig(bind="127.0.0.1:0"), shutdown=shutdown)


async def test_what_the_application_puts_into_its_state_is_in_every_scope(asgi):
    states = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"]["pool"] = "a pool"
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            states.append(scope["state"])
            await asgi.respond(send)

    shutdown = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(task_status):
            await serve(app, ServerConfig(bind="127.0.0.1:0"), shutdown=shutdown, task_status=task_status)

        server = await nursery.start(run)
        port = int(server.binds[0].rsplit(":", 1)[1])
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(GET % b"1")
            await stream.receive_some()
        shutdown.set()
    assert states == [{"pool": "a pool"}]


# TLS


class Certificate:
    def __init__(self, directory) -> None:
        self.certfile, self.keyfile = directory / "cert.pem", directory / "key.pem"
        self.authority = trustme.CA()
        self.issue("localhost")

    def issue(self, name: str) -> None:
        issued = self.authority.issue_cert(name)
        self.keyfile.write_bytes(issued.private_key_pem.bytes())
        self.certfile.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    @property
    def settings(self) -> dict[str, str]:
        return {"certfile": str(self.certfile), "keyfile": str(self.keyfile)}

    async def connect(self, running, alpn=(), name="localhost") -> trio.SSLStream:
        context = ssl.create_default_context()
        context.set_alpn_protocols(list(alpn))
        self.authority.configure_trust(context)
        client = await running.connect()
        client.stream = trio.SSLStream(client.stream, context, server_hostname=name, https_compatible=True)
        await client.stream.do_handshake()
        return client


@pytest.fixture
def certificate(tmp_path) -> Certificate:
    return Certificate(tmp_path)


async def test_tls_is_served_and_says_so(serving, certificate):
    async with serving(**certificate.settings) as running:
        client = await certificate.connect(running, ["h2", "http/1.1"])
        assert client.stream.selected_alpn_protocol() == "http/1.1"
        for number in (b"1", b"2"):
            await client.send(GET % number)
            assert (await client.response())[2] == b"/%b " % number
        assert running.server.binds[0].startswith("https://")
        assert running.app.scopes[0]["scheme"] == "https"


async def test_a_client_that_leaves_ends_its_exchange_under_tls_too(serving, certificate, asgi):
    async with serving(asgi.hang, **certificate.settings) as running:
        client = await certificate.connect(running)
        await client.send(GET % b"" + b"\r\n")
        await running.app.started.wait()
        client.stream.transport_stream.socket.close()
        await running.app.ended.wait()
        assert running.app.outcomes == ["cancelled"]


async def test_a_client_that_stops_reading_is_given_up_under_tls_too(serving, certificate):
    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 200_000, "more_body": True})

    async with serving(stream, write_stall_s=0.05, **certificate.settings) as running:
        client = await certificate.connect(running)
        await client.send(GET % b"")
        await running.app.ended.wait()
        assert running.app.outcomes == ["cancelled"]


async def test_a_handshake_that_does_not_come_is_given_up(serving, certificate):
    async with serving(header_s=0.01, **certificate.settings) as running:
        client = await running.connect()
        assert await client.read_to_end() == b""
        while running.server.service.open_count:
            await trio.testing.wait_all_tasks_blocked()


async def test_a_client_that_does_not_speak_tls_harms_nobody(serving, certificate):
    async with serving(**certificate.settings) as running:
        client = await running.connect()
        await client.send(GET % b"")
        await client.read_to_end()
        other = await certificate.connect(running)
        await other.send(GET % b"1")
        assert (await other.response())[2] == b"/1 "


async def test_a_reloaded_certificate_is_used_for_new_connections_and_old_ones_live(serving, certificate):
    async with serving(**certificate.settings) as running:
        old = await certificate.connect(running)
        certificate.issue("renewed.example")
        running.server.reload_tls()
        new = await certificate.connect(running, name="renewed.example")
        for client in (old, new):
            await client.send(GET % b"1")
            assert (await client.response())[2] == b"/1 "


async def test_a_certificate_that_cannot_be_read_again_leaves_the_old_one_in_use(serving, certificate):
    async with serving(**certificate.settings) as running:
        certificate.keyfile.write_text("not a key")
        with pytest.raises(ConfigError, match="cannot be used"):
            running.server.reload_tls()
        client = await certificate.connect(running)
        await client.send(GET % b"1")
        assert (await client.response())[2] == b"/1 "


@pytest.mark.parametrize("settings", [{"certfile": "/nowhere"}, {"certfile": "/nowhere", "keyfile": "/nowhere"}])
async def test_certificates_that_cannot_be_had_are_the_operators_error(serving, settings):
    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(**settings):
            pass
    assert caught.group_contains(ConfigError)


async def http2_get(client) -> bytes:
    """One GET over HTTP/2: its body."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    head = [(":method", "GET"), (":path", "/1"), (":scheme", "https"), (":authority", "localhost")]
    connection.send_headers(1, head, end_stream=True)
    await client.send(connection.data_to_send())
    body = b""
    while True:
        data = await client.stream.receive_some()
        assert data
        for event in connection.receive_data(bytes(data)):
            if isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                return body


async def test_http_2_is_served_when_asked_for(serving, certificate):
    async with serving(http2=True, **certificate.settings) as running:
        client = await certificate.connect(running, ["h2", "http/1.1"])
        assert client.stream.selected_alpn_protocol() == "h2"
        assert await http2_get(client) == b"/1 "
        assert running.app.scopes[0]["http_version"] == "2"
        assert "trio_gateway.cancels_on_disconnect" not in running.app.scopes[0]["extensions"]


async def test_an_error_in_an_http_2_connection_stays_in_it(serving, certificate, monkeypatch, caplog):
    from hypercorn.protocol.h2 import H2Protocol

    async def fail(self, event):
        raise RuntimeError("a bug in HTTP/2")

    async with serving(http2=True, **certificate.settings) as running:
        monkeypatch.setattr(H2Protocol, "handle", fail)
        broken = await certificate.connect(running, ["h2"])
        await broken.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        try:
            await broken.read_to_end()
        except trio.BrokenResourceError:
            pass
        other = await certificate.connect(running, ["http/1.1"])
        await other.send(GET % b"1")
        assert (await other.response())[2] == b"/1 "
    assert "a bug in HTTP/2" in caplog.text


def test_importing_the_server_does_not_import_http_2():
    code = "import sys, trio_gateway.server.serve; sys.exit('h2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
