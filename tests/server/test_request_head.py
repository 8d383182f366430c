"""Request heads: what is refused, with which status, and what the rest means."""

from __future__ import annotations

import pytest

from trio_gateway.errors import ClientError
from trio_gateway.server.request_head import glimpse, parse_head
from trio_gateway.server_config import ServerConfig

CONFIG = ServerConfig()


def head(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes | None = b"Host: h") -> bytes:
    return b"".join(line + b"\r\n" for line in [start, *([host] if host is not None else []), *lines, b""])


def refusal(data: bytes, config: ServerConfig = CONFIG) -> tuple[int, str | None]:
    with pytest.raises(ClientError) as caught:
        parse_head(data, config)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    "data",
    [
        head(start=b"GET  / HTTP/1.1"),
        head(start=b"GET / HTTP/1.1 "),
        head(start=b" GET / HTTP/1.1"),
        head(start=b"GET /"),
        head(start=b"GET / http/1.1"),
        head(start=b"GET / RTSP/1.0"),
        head(start=b"GET /\xff HTTP/1.1"),
        head(start=b"GET /a#b HTTP/1.1"),
        head(start=b"GET x HTTP/1.1"),
        head(start=b"GET * HTTP/1.1"),
        head(start=b"GET ftp://h/ HTTP/1.1"),
        head(start=b"GET http:///x HTTP/1.1"),
        head(start=b"GET http://u@h/x HTTP/1.1"),
        head(b"x : y"),
        head(b" folded"),
        head(b"x: a", b" folded"),
        head(b"no colon"),
        head(b": empty"),
        head(b"x: a\0b"),
        head(b"x: a\rb"),
        head(b"x: a\nb: c"),
        head(b"x: a\x01b"),
        head(host=None),
        head(b"Host: h"),
        head(b"Host: other"),
        head(host=b"Host: a/b"),
        head(host=b"Host: a b"),
        head(host=b"Host: " + b"a" * 256),
        head(b"Content-Length: 1", b"Content-Length: 1"),
        head(b"Content-Length: 1", b"Content-Length: 2"),
        head(b"Content-Length: 1, 1"),
        head(b"Content-Length: +1"),
        head(b"Content-Length: -1"),
        head(b"Content-Length: 0x1"),
        head(b"Content-Length:"),
        head(b"Content-Length: 1 1"),
        head(b"Content-Length: " + b"9" * 40),
        head(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: chunked", b"Content-Length: 1"),
        head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: gzip"),
        head(b"Transfer-Encoding: gzip, chunked"),
        head(b"Transfer-Encoding: chunked, identity"),
        head(b"Transfer-Encoding: \x0bchunked"),
        head(b"Transfer-Encoding:"),
        head(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"),
    ],
)
def test_what_is_malformed_or_could_be_read_two_ways_is_refused(data):
    assert refusal(data) == (400, "malformed_request")


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r"])
def test_a_request_line_that_does_not_end_in_crlf_is_refused(line):
    assert refusal(line + b"Host: h\r\n\r\n") == (400, "malformed_request")


@pytest.mark.parametrize("start", [b"PRI * HTTP/2.0", b"GET / HTTP/2.0", b"GET / HTTP/1.2", b"GET / HTTP/0.9"])
def test_other_versions_are_refused(start):
    assert refusal(head(start=start)) == (505, "http_version_not_supported")


@pytest.mark.parametrize("start", [b"CONNECT h:443 HTTP/1.1", b"BREW / HTTP/1.1", b"get / HTTP/1.1"])
def test_methods_that_are_not_served_are_refused(start):
    assert refusal(head(start=start)) == (501, "method_not_implemented")


def test_a_websocket_is_refused():
    data = head(b"Connection: Upgrade", b"Upgrade: WebSocket", b"Sec-WebSocket-Version: 13")
    assert refusal(data) == (501, "websocket_not_implemented")


def test_expectations_other_than_continue_are_refused():
    assert refusal(head(b"Expect: 200-ok")) == (417, "expectation_failed")


def test_a_request_may_have_header_count_max_headers_and_no_more():
    config = ServerConfig(header_count_max=3)
    assert len(parse_head(head(b"a: 1", b"b: 2"), config).headers) == 3
    assert refusal(head(b"a: 1", b"b: 2", b"c: 3"), config) == (431, "request_header_fields_too_large")


def test_a_body_of_max_body_bytes_may_be_announced_and_no_larger():
    config = ServerConfig(max_body_bytes=10)
    assert parse_head(head(b"Content-Length: 10"), config).content_length == 10
    assert refusal(head(b"Content-Length: 11"), config) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/", "/", b"/", b""),
        (b"/a/b?c=d?e", "/a/b", b"/a/b", b"c=d?e"),
        (b"/%41%c3%a9%2F", "/Aé/", b"/%41%c3%a9%2F", b""),
        (b"/%ff%zz", "/\N{REPLACEMENT CHARACTER}%zz", b"/%ff%zz", b""),
        (b"//evil/x", "//evil/x", b"//evil/x", b""),
        (b"http://h/x?y", "/x", b"/x", b"y"),
        (b"HTTP://h:80?y", "/", b"/", b"y"),
        (b"https://[::1]:8080/", "/", b"/", b""),
    ],
)
def test_a_target_is_taken_apart(target, path, raw_path, query):
    request = parse_head(head(start=b"GET %b HTTP/1.1" % target), CONFIG)
    assert (request.path, request.raw_path, request.query_string) == (path, raw_path, query)


def test_the_asterisk_is_a_target_of_options():
    assert parse_head(head(start=b"OPTIONS * HTTP/1.1"), CONFIG).path == "*"


def test_the_authority_of_an_absolute_target_replaces_the_host():
    request = parse_head(head(b"x: y", start=b"GET http://real:81/ HTTP/1.1", host=b"Host: other"), CONFIG)
    assert request.headers == [(b"x", b"y"), (b"host", b"real:81")]


@pytest.mark.parametrize("host", [b"Host:", b"Host: h", b"host: h:80", b"HOST:[::1]:80", b"Host: a_b.example"])
def test_usual_hosts_are_accepted(host):
    assert parse_head(head(host=host), CONFIG).headers[0][0] == b"host"


def test_http_1_0_needs_no_host_but_may_not_have_two():
    assert parse_head(head(start=b"GET / HTTP/1.0", host=None), CONFIG).headers == []
    assert refusal(head(b"Host: h", start=b"GET / HTTP/1.0"))[0] == 400


@pytest.mark.parametrize(
    ("head", "path", "headers"),
    [
        (b"POST /v1/messages?a=1 HTTP/9.9\r\nA: 1\r\nb:2 \r\n\r\n", "/v1/messages", {b"a": b"1", b"b": b"2"}),
        (b"POST https://host/v1/messages HTTP/1.1\r\n", "/v1/messages", {}),
        (b"POST /api/%63hat", "/api/chat", {}),
        (b"POST /\xff", "/\xff", {}),
        (b"\x16\x03\x01", "/", {}),
        (b"POST", "/", {}),
        (b"", "/", {}),
    ],
)
def test_of_a_head_that_is_refused_the_path_and_headers_are_made_out_where_they_can_be(head, path, headers):
    assert glimpse(head) == (path, headers)


def test_names_are_lowered_and_values_trimmed():
    request = parse_head(head(b"X-Name:\t Va lue \t", b"Empty:"), CONFIG)
    assert request.headers == [(b"host", b"h"), (b"x-name", b"Va lue"), (b"empty", b"")]


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", b"X: y", True),
        (b"1.1", b"Connection: close", False),
        (b"1.1", b"Connection: x, CLOSE ,y", False),
        (b"1.1", b"Connection: closed", True),
        (b"1.0", b"X: y", False),
        (b"1.0", b"Connection: Keep-Alive", True),
        (b"1.0", b"Connection: keep-alive, close", False),
    ],
)
def test_whether_a_connection_may_be_kept(version, connection, kept):
    assert parse_head(head(connection, start=b"GET / HTTP/" + version), CONFIG).keep_alive is kept


def test_only_http_1_1_may_expect_to_be_told_to_continue():
    lines = (b"Expect: 100-continue", b"Content-Length: 1")
    assert parse_head(head(*lines), CONFIG).expects_continue
    assert not parse_head(head(*lines, start=b"POST / HTTP/1.0"), CONFIG).expects_continue
