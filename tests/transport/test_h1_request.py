"""The head of a request, and what can never get into one."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.transport.h1_request import TRANSPORT_HEADERS, encode_head

names = st.text("abcdefghijklmnopqrstuvwxyzABC-_0123456789", min_size=1, max_size=20).map(lambda text: text.encode())


def free(name: bytes) -> bool:
    return name.lower() not in TRANSPORT_HEADERS | {b"host", b"accept-encoding"}


@given(
    st.lists(st.tuples(names.filter(free), st.text("abc,;=/ ~", max_size=20).map(str.encode)), max_size=8),
    st.integers(0, 100),
)
def test_h11_reads_back_what_was_written(headers: list[tuple[bytes, bytes]], body_bytes: int) -> None:
    head = encode_head("POST", b"/v1/chat?x=%20", b"h:1", headers, body_bytes)
    server = h11.Connection(h11.SERVER)
    server.receive_data(head + b"x" * body_bytes)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (b"POST", b"/v1/chat?x=%20")
    assert list(request.headers) == [
        (b"host", b"h:1"),
        *((name.lower(), value.strip(b" ")) for name, value in headers),
        (b"accept-encoding", b"identity"),
        (b"content-length", b"%d" % body_bytes),
    ]


@given(
    st.binary(max_size=12) | st.sampled_from([b"GET", b"POST"]),
    st.binary(max_size=12).map(lambda rest: b"/" + rest),
    st.lists(st.tuples(st.binary(max_size=8) | names, st.binary(max_size=12)), max_size=3),
)
def test_whatever_goes_in_exactly_one_request_with_these_headers_comes_out(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    try:
        head = encode_head(method, target, b"h", headers, 0)
    except ValueError:
        return
    assert head.endswith(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    assert first == method + b" " + target + b" HTTP/1.1"
    assert not set(first + b"".join(lines)) & set(b"\r\n\0")
    written = {line.partition(b": ")[0] for line in lines}
    assert written - {name.lower() for name, _ in headers} <= {b"host", b"accept-encoding", b"content-length"}


@pytest.mark.parametrize("evil", [b"\r", b"\n", b"\r\n", b"\0", b"\r\nx: y", b"\n\r"])
def test_cr_lf_and_nul_are_refused_everywhere(evil: bytes) -> None:
    for method, target, headers in [
        (b"GET" + evil, b"/", []),
        (b"GET", b"/a" + evil, []),
        (b"GET", b"/", [(b"x" + evil, b"1")]),
        (b"GET", b"/", [(b"x", b"a" + evil + b"b")]),
        (b"GET", b"/", [(b"host", b"a" + evil)]),
        (b"GET", b"/", [(b"accept-encoding", b"a" + evil)]),
    ]:
        with pytest.raises(ValueError, match=r"method|target|name|value"):
            encode_head(method, target, b"h", headers, 0)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:b", b"a\x7f", b"\xe9", b"(a)"])
def test_a_name_that_is_no_token_is_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match="no header name"):
        encode_head("GET", b"/", b"h", [(name, b"1")], 0)


@pytest.mark.parametrize("name", [*sorted(TRANSPORT_HEADERS), b"Content-Length", b"Transfer-Encoding"])
def test_what_frames_a_message_is_the_transports_alone(name: bytes) -> None:
    with pytest.raises(ValueError, match="the transport writes"):
        encode_head("GET", b"/", b"h", [(name, b"1")], 0)


@pytest.mark.parametrize("target", [b"", b"a", b"http://h/", b"*", b"/a b", b"/\xe9", b"/a\tb"])
def test_a_target_is_a_percent_encoded_path(target: bytes) -> None:
    with pytest.raises(ValueError, match="request target"):
        encode_head("GET", target, b"h", [], 0)


@pytest.mark.parametrize("method", ["", "GE T", "G\u00c9T", b"\xff", "CONNECT"])
def test_a_method_is_a_token_and_no_tunnel(method: bytes | str) -> None:
    with pytest.raises(ValueError, match="no method"):
        encode_head(method, b"/", b"h", [], 0)


def test_the_callers_own_host_and_accept_encoding_win() -> None:
    head = encode_head("GET", b"/", b"h", [(b"Host", b"other"), (b"Accept-Encoding", b"gzip")], 0)
    assert head == b"GET / HTTP/1.1\r\nhost: other\r\naccept-encoding: gzip\r\n\r\n"
    with pytest.raises(ValueError, match="two host"):
        encode_head("GET", b"/", b"h", [(b"host", b"a"), (b"Host", b"b")], 0)


def test_a_post_without_a_body_says_so_and_a_get_does_not() -> None:
    assert b"content-length: 0\r\n" in encode_head("POST", b"/", b"h", [], 0)
    assert b"content-length" not in encode_head("GET", b"/", b"h", [], 0)
    assert b"content-length: 2\r\n" in encode_head(b"GET", b"/", b"h", [], 2)


def test_a_refusal_does_not_quote_the_value() -> None:
    with pytest.raises(ValueError, match="value holds") as caught:
        encode_head("GET", b"/", b"h", [(b"authorization", b"Bearer s3cret\n")], 0)
    assert "s3cret" not in str(caught.value)
