"""Responses: how a body's end is told, what is refused, and that h11 reads what was meant."""

from __future__ import annotations

import h11
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trio_gateway.errors import Unavailable
from trio_gateway.server.request_head import Asked
from trio_gateway.server.response import (
    NAMED,
    DateLine,
    InvalidResponse,
    Names,
    Response,
    State,
    refuse,
    whole_response,
)

DATE = DateLine().at(784_111_777)


def response(**settings: bool) -> Response:
    return Response(**{"head_only": False, "http_10": False, "keep_alive": True, **settings})


def write(status=200, headers=(), body=(b"ok",), **settings: bool) -> bytes:
    """A whole response, `body` in so many events."""
    written = response(**settings)
    written.start(status, headers)
    return b"".join(written.body(part, at < len(body) - 1, DATE) for at, part in enumerate(body))


def head(data: bytes) -> set[bytes]:
    return set(data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])


COMMON = {b"date: Sun, 06 Nov 1994 08:49:37 GMT", b"server: trio-gateway"}


def test_a_whole_body_gets_its_length():
    data = write(headers=[(b"content-type", b"text/plain")])
    assert data.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n")
    assert head(data) == COMMON | {b"content-type: text/plain", b"content-length: 2"}
    assert data.endswith(b"\r\n\r\nok")


def test_a_body_of_several_events_is_chunked_and_an_empty_event_is_no_end():
    data = write(body=(b"a", b"", b"bc", b""))
    assert head(data) == COMMON | {b"transfer-encoding: chunked"}
    assert data.endswith(b"\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")


def test_the_head_and_the_first_body_event_leave_together_and_nothing_before():
    written = response()
    written.start(200, [])
    assert written.state is State.HELD
    assert written.body(b"first", True, DATE).endswith(b"\r\n\r\n5\r\nfirst\r\n")


def test_an_empty_first_event_sends_the_head_alone():
    written = response()
    written.start(200, [])
    assert written.body(b"", True, DATE).endswith(b"transfer-encoding: chunked\r\n\r\n")


def test_the_last_event_carries_its_chunk_and_the_end():
    assert write(body=(b"a", b"b")).endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


def test_the_applications_own_length_is_kept_and_held_to():
    headers = [(b"Content-Length", b"3")]
    data = write(headers=headers, body=(b"a", b"bc"))
    assert b"content-length: 3" in head(data)
    assert data.endswith(b"\r\n\r\nabc")
    for body in ((b"abcd",), (b"ab",), (b"a", b"b"), (b"ab", b"cd")):
        with pytest.raises(InvalidResponse):
            write(headers=headers, body=body)


@pytest.mark.parametrize("value", [b"x", b"-1", b"", b"1,1", b"9" * 19])
def test_a_length_that_is_none_is_refused(value):
    with pytest.raises(InvalidResponse):
        write(headers=[(b"content-length", value)])


def test_a_length_given_twice_is_refused():
    with pytest.raises(InvalidResponse):
        write(headers=[(b"content-length", b"2"), (b"content-length", b"2")])


def test_the_applications_transfer_encoding_and_connection_are_not_passed_on():
    data = write(headers=[(b"transfer-encoding", b"chunked"), (b"connection", b"upgrade"), (b"keep-alive", b"x")])
    assert head(data) == COMMON | {b"content-length: 2"}


def test_an_application_may_ask_to_close():
    written = response()
    written.start(200, [(b"connection", b"Close")])
    assert b"connection: close" in head(written.body(b"", False, DATE))
    assert not written.keep_alive


def test_the_applications_own_date_and_server_replace_ours():
    assert head(write(headers=[(b"date", b"never"), (b"server", b"mine")])) == {
        b"date: never",
        b"server: mine",
        b"content-length: 2",
    }


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body_and_no_framing(status):
    data = write(status=status, body=(b"",))
    assert head(data) == COMMON
    assert data.endswith(b"\r\n\r\n")


def test_a_length_may_stay_with_304_and_not_with_204():
    assert b"content-length: 5" in head(write(status=304, headers=[(b"content-length", b"5")], body=(b"",)))
    assert head(write(status=204, headers=[(b"content-length", b"0")], body=(b"",))) == COMMON


def test_head_has_the_length_of_the_body_it_does_not_have():
    assert write(head_only=True).endswith(b"content-length: 2\r\n\r\n")
    assert write(head_only=True, headers=[(b"content-length", b"9")], body=(b"",)).endswith(
        b"content-length: 9\r\n\r\n"
    )
    assert head(write(head_only=True, body=(b"a", b"b"))) == COMMON


@pytest.mark.parametrize("status", [0, 100, 101, 199, 1000])
def test_a_status_that_cannot_be_final_is_refused(status):
    with pytest.raises(InvalidResponse):
        response().start(status, [])


def test_an_unknown_status_is_written_without_a_phrase():
    assert write(status=299).startswith(b"HTTP/1.1 299 \r\n")


def test_events_out_of_order_are_refused():
    with pytest.raises(InvalidResponse):
        response().body(b"", False, DATE)
    written = response()
    written.start(200, [])
    with pytest.raises(InvalidResponse):
        written.start(200, [])
    written.body(b"", False, DATE)
    with pytest.raises(InvalidResponse):
        written.body(b"", False, DATE)


def test_http_1_0_is_never_sent_chunks():
    written = response(http_10=True)
    written.start(200, [])
    data = written.body(b"a", True, DATE)
    assert head(data) == COMMON | {b"connection: close"}
    assert written.ends_with_connection
    assert written.body(b"b", False, DATE) == b"b"
    assert not written.keep_alive
    assert b"connection: keep-alive" in head(write(http_10=True))


octets = st.binary(max_size=6) | st.sampled_from(
    [b"a", b"\r\n", b"\n", b"\r", b"\0", b"\x0b", b"\x7f", b"\ta", b"a: b", b"x\r\ny: z"]
)


@given(name=octets, value=octets)
def test_no_header_can_add_another_or_a_second_response(name, value):
    """What h11 reads is one response with just the header that was given, or it was refused."""
    assume(name.lower() not in NAMED)
    try:
        data = write(headers=[(name, value)])
    except InvalidResponse:
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    got = client.next_event()
    extra = [item for item in got.headers if item[0] not in (b"date", b"server", b"content-length")]
    assert extra == [(name.lower(), value.strip(b" \t"))]
    assert client.next_event().data == b"ok"
    assert isinstance(client.next_event(), h11.EndOfMessage)
    assert client.trailing_data == (b"", False)


def test_the_memory_of_header_names_is_bounded():
    names = Names()
    for number in range(5000):
        names.kind(b"x-%d" % number)
    assert len(names.known) == 1024


def test_the_date_is_rendered_once_a_second():
    line = DateLine()
    assert line.at(1) is line.at(1)
    assert line.at(2) != line.at(1)


def test_an_error_of_the_servers_own_is_json_and_closes():
    data = whole_response(refuse(Unavailable("full", code="too_many_connections"), Asked(), b"req_1"), DATE)
    assert data.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"connection: close" in head(data)
    assert data.endswith(
        b'\r\n\r\n{"error":{"message":"full","type":"server_error","param":null,"code":"too_many_connections"}}'
    )
