"""One connection over memory streams, under a clock that jumps: order, limits in time, and what ends an exchange."""

from __future__ import annotations

import gc
import logging
import weakref
from math import inf

import pytest
import trio

from trio_gateway.server.call import ClientGone
from trio_gateway.server.streams import TrioStream

GET = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_requests_on_one_connection_are_answered_one_after_the_other(converse):
    async with converse() as conversation:
        for number in (b"1", b"2", b"3"):
            await conversation.client.send(POST % 1 + number)
            status, headers, body = await conversation.client.response()
            assert (status, body) == (200, b"/ " + number)
            assert b"connection" not in headers
            assert headers[b"server"] == b"trio-gateway"


async def test_pipelined_requests_are_answered_in_their_order(converse):
    async with converse() as conversation:
        await conversation.client.send(GET % b"1" + POST % 3 + b"abc" + CHUNKED + b"2\r\nde\r\n0\r\n\r\n" + GET % b"4")
        bodies = [(await conversation.client.response())[2] for _ in range(4)]
        assert bodies == [b"/1 ", b"/ abc", b"/ de", b"/4 "]


async def test_the_next_request_is_not_started_before_the_exchange_at_hand_is_over(converse, asgi):
    gate = trio.Event()

    async def wait_then_echo(scope, receive, send):
        await gate.wait()
        await asgi.echo(scope, receive, send)

    async with converse(wait_then_echo) as conversation:
        await conversation.client.send(GET % b"1" + GET % b"2")
        await trio.testing.wait_all_tasks_blocked()
        assert len(conversation.app.scopes) == 1
        gate.set()
        assert (await conversation.client.response())[2] == b"/1 "
        assert (await conversation.client.response())[2] == b"/2 "


async def test_the_scope_is_what_asgi_says(converse):
    async with converse() as conversation:
        conversation.service.state["pool"] = pool = object()
        await conversation.client.send(b"PUT /a%20b/%c3%a9?q=%20 HTTP/1.1\r\nHOST: h\r\nX-Two:  1 \r\nx-two: 2\r\n\r\n")
        await conversation.client.response()
        (scope,) = conversation.app.scopes
        assert scope == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "PUT",
            "scheme": "http",
            "path": "/a b/é",
            "raw_path": b"/a%20b/%c3%a9",
            "query_string": b"q=%20",
            "root_path": "",
            "headers": [(b"host", b"h"), (b"x-two", b"1"), (b"x-two", b"2")],
            "client": ("192.0.2.1", 1),
            "server": ("192.0.2.2", 2),
            "state": {"pool": pool},
            "extensions": {"trio_gateway.cancels_on_disconnect": {}},
        }
        assert scope["state"] is not conversation.service.state


async def test_a_body_that_is_here_comes_in_one_event(converse, asgi):
    events = []

    async def keep_events(scope, receive, send):
        events.append(await receive())
        await asgi.respond(send)

    async with converse(keep_events) as conversation:
        await conversation.client.send(CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        await conversation.client.response()
    assert events == [{"type": "http.request", "body": b"abc", "more_body": False}]


async def test_a_body_that_comes_in_pieces_is_given_on_as_it_comes(converse, asgi):
    events = []

    async def keep_events(scope, receive, send):
        while not events or events[-1]["more_body"]:
            events.append(await receive())
        await asgi.respond(send)

    async with converse(keep_events) as conversation:
        await conversation.client.send(POST % 3)
        for piece in (b"a", b"b", b"c"):
            await trio.testing.wait_all_tasks_blocked()
            await conversation.client.send(piece)
        await conversation.client.response()
    assert [event["body"] for event in events] == [b"a", b"b", b"c"]


# 100-continue


async def test_a_client_that_expects_it_is_told_to_continue_when_the_application_wants_the_body(converse):
    async with converse() as conversation:
        await conversation.client.send((POST % 3).replace(b"\r\n\r\n", b"\r\nExpect: 100-Continue\r\n\r\n"))
        assert await conversation.client.head() == (100, {})
        await conversation.client.send(b"abc")
        assert (await conversation.client.response())[2] == b"/ abc"


async def test_a_client_that_expects_it_is_not_told_to_send_a_body_nobody_reads(converse, asgi):
    async def refuse(scope, receive, send):
        await asgi.respond(send, b"no", 401)

    async with converse(refuse) as conversation:
        await conversation.client.send((POST % 3).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        status, headers, _ = await conversation.client.response()
        assert (status, headers[b"connection"]) == (401, b"close")


async def test_an_empty_body_is_not_waited_for_whatever_is_expected(converse):
    async with converse() as conversation:
        await conversation.client.send((POST % 0).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert (await conversation.client.response())[0] == 200


# Limits in time


async def test_a_head_that_trickles_in_is_given_up_after_header_s(converse, autojump_clock):
    async with converse(header_s=10) as conversation:
        await conversation.client.send(b"GET / HTTP/1.1\r\n")
        start = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def trickle():
                while True:
                    await trio.sleep(1)
                    await conversation.client.send(b"x")

            nursery.start_soon(trickle)
            status, _, body = await conversation.client.response()
            nursery.cancel_scope.cancel(reason="answered")
        assert status == 408
        assert b"10 seconds" in body
        assert trio.current_time() - start == 10
        await conversation.closed.wait()
        assert not conversation.app.scopes


async def test_a_head_that_is_whole_just_in_time_is_served(converse, autojump_clock):
    async with converse(header_s=10) as conversation:
        await trio.sleep(9)
        await conversation.client.send(b"GET / HTTP/1.1\r\n")  # the ten seconds start with the first byte
        await trio.sleep(9.5)
        await conversation.client.send(b"Host: h\r\n\r\n")
        assert (await conversation.client.response())[0] == 200


async def test_a_connection_on_which_nothing_arrives_is_closed_without_a_word(converse, autojump_clock):
    async with converse(header_s=10) as conversation:
        start = trio.current_time()
        assert await conversation.client.read_to_end() == b""
        assert trio.current_time() - start == 10


async def test_a_second_head_that_trickles_in_is_given_up_too(converse, autojump_clock):
    async with converse(header_s=10, idle_s=75) as conversation:
        await conversation.client.send(GET % b"" + b"GET")
        await conversation.client.response()
        start = trio.current_time()
        assert await conversation.client.refusal() == (408, "request_timeout")
        assert trio.current_time() - start == 10


async def test_a_body_that_does_not_come_ends_its_exchange_after_body_s(converse, autojump_clock):
    async with converse(body_s=20) as conversation:
        await conversation.client.send(POST % 2 + b"a")
        start = trio.current_time()
        assert await conversation.client.refusal() == (408, "request_timeout")
        assert trio.current_time() - start == 20
        assert conversation.app.outcomes == ["cancelled"]


async def test_the_time_for_a_body_runs_however_often_a_piece_of_it_comes(converse, autojump_clock):
    async with converse(body_s=20) as conversation:
        await conversation.client.send(POST % 100)
        for _ in range(19):
            await trio.sleep(1)
            await conversation.client.send(b"a")
        assert await conversation.client.refusal() == (408, "request_timeout")
        assert trio.current_time() == 20


async def test_the_time_for_a_body_starts_when_the_client_is_told_to_continue(converse, asgi, autojump_clock):
    async def wait_then_echo(scope, receive, send):
        await trio.sleep(100)
        await asgi.echo(scope, receive, send)

    async with converse(wait_then_echo, body_s=20) as conversation:
        await conversation.client.send((POST % 3).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert await conversation.client.head() == (100, {})
        await trio.sleep(19)
        await conversation.client.send(b"abc")
        assert (await conversation.client.response())[2] == b"/ abc"


async def test_an_exchange_may_take_its_time_once_its_request_is_here(converse, asgi, autojump_clock):
    async def wait_then_echo(scope, receive, send):
        await trio.sleep(10_000)
        await asgi.echo(scope, receive, send)

    async with converse(wait_then_echo) as conversation:
        await conversation.client.send(GET % b"")
        assert (await conversation.client.response())[0] == 200


async def test_an_idle_connection_is_closed_after_idle_s_counted_from_its_last_exchange(converse, autojump_clock):
    async with converse(idle_s=75) as conversation:
        for _ in range(3):
            await trio.sleep(74 if conversation.app.scopes else 0)
            await conversation.client.send(GET % b"")
            await conversation.client.response()
        start = trio.current_time()
        assert await conversation.client.read_to_end() == b""
        assert trio.current_time() - start == 75


async def test_empty_lines_do_not_keep_an_idle_connection(converse, autojump_clock):
    async with converse(idle_s=75) as conversation:
        await conversation.client.send(GET % b"")
        await conversation.client.response()
        await trio.sleep(70)
        await conversation.client.send(b"\r\n")
        await conversation.client.read_to_end()
        assert trio.current_time() == 75


# Limits in number and size


async def test_the_last_request_a_connection_may_have_says_so(converse):
    async with converse(requests_per_connection_max=2) as conversation:
        await conversation.client.send(GET % b"1" + GET % b"2" + GET % b"3")
        assert b"connection" not in (await conversation.client.response())[1]
        status, headers, body = await conversation.client.response()
        assert (status, headers[b"connection"], body) == (200, b"close", b"/2 ")
        await conversation.client.stream.send_eof()
        assert await conversation.client.read_to_end() == b""
        assert len(conversation.app.scopes) == 2


async def test_a_body_of_just_the_limit_is_served(converse):
    async with converse(max_body_bytes=4) as conversation:
        await conversation.client.send(POST % 4 + b"abcd" + CHUNKED + b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")
        assert (await conversation.client.response())[2] == b"/ abcd"
        assert (await conversation.client.response())[2] == b"/ abcd"


async def test_a_body_announced_too_large_is_refused_before_it_comes(converse):
    async with converse(max_body_bytes=4) as conversation:
        await conversation.client.send(POST % 5)
        assert await conversation.client.refusal() == (413, "request_too_large")
        assert not conversation.app.scopes


async def test_a_chunked_body_is_refused_as_soon_as_it_is_counted_too_large(converse):
    async with converse(max_body_bytes=4) as conversation:
        await conversation.client.send(CHUNKED + b"4\r\nabcd\r\n")
        await trio.testing.wait_all_tasks_blocked()
        assert conversation.app.outcomes == []
        await conversation.client.send(b"1\r\n")
        assert await conversation.client.refusal() == (413, "request_too_large")
        assert conversation.app.outcomes == ["cancelled"]


async def test_a_body_that_breaks_its_framing_ends_its_exchange(converse):
    async with converse() as conversation:
        await conversation.client.send(CHUNKED + b"1\r\nab")
        assert await conversation.client.refusal() == (400, "malformed_request")


async def test_a_fault_behind_a_good_request_is_told_after_its_answer(converse):
    async with converse() as conversation:
        await conversation.client.send(GET % b"1" + b"nonsense\r\n\r\n")
        assert (await conversation.client.response())[2] == b"/1 "
        assert await conversation.client.refusal() == (400, "malformed_request")


async def test_a_fault_in_a_body_after_the_response_began_cuts_the_response(converse):
    async def begin_then_read(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        while True:
            await receive()

    async with converse(begin_then_read) as conversation:
        await conversation.client.send(CHUNKED)
        assert (await conversation.client.head())[1][b"connection"] == b"close"
        assert await conversation.client.chunk() == b"some"
        await conversation.client.send(b"x\r\n")
        await conversation.client.stream.send_eof()
        assert await conversation.client.read_to_end() == b""  # no last chunk: it does not look whole
        assert conversation.app.outcomes == ["cancelled"]


# Back-pressure


async def test_reading_stops_while_the_application_does_not_take_the_body_and_goes_on_when_it_does(
    converse, asgi, autojump_clock
):
    size = 5_000_000

    async def wait_then_echo(scope, receive, send):
        await trio.sleep(1000)
        await asgi.respond(send, b"%d" % len(await asgi.read_body(receive)))

    async with converse(wait_then_echo, body_s=300) as conversation:
        await conversation.client.send(POST % size + b"x" * size)
        await trio.testing.wait_all_tasks_blocked()
        assert 262_144 <= conversation.connection._parser.held_bytes < 262_144 + 65_536
        # The time in which nothing was read is not held against the client.
        assert (await conversation.client.response())[2] == b"%d" % size


async def test_reading_stops_while_many_bytes_wait_behind_a_request_and_goes_on_afterwards(converse, asgi):
    gate = trio.Event()

    async def wait_then_echo(scope, receive, send):
        await gate.wait()
        await asgi.echo(scope, receive, send)

    async with converse(wait_then_echo) as conversation:
        await conversation.client.send(GET % b"" * 20_000)
        await trio.testing.wait_all_tasks_blocked()
        assert 65_536 <= conversation.connection._parser.held_bytes <= 131_072
        gate.set()
        for _ in range(20_000):
            assert (await conversation.client.response())[2] == b"/ "


# The client that stops reading


async def stream_forever(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})


async def test_a_client_that_stops_reading_ends_its_exchange_after_write_stall_s(converse, autojump_clock):
    async with converse(stream_forever, write_stall_s=30) as conversation:
        conversation.connection.stream._stream.send_stream.send_all_hook = trio.sleep_forever
        await conversation.client.send(GET % b"")
        await conversation.closed.wait()
        assert trio.current_time() == 30
        assert conversation.app.outcomes == ["cancelled"]


async def test_a_client_that_reads_slowly_is_waited_for(converse, asgi, autojump_clock):
    async def answer_much(scope, receive, send):
        await asgi.respond(send, b"x" * 1_000_000)

    async def slow():
        await trio.sleep(29)

    async with converse(answer_much, write_stall_s=30) as conversation:
        conversation.connection.stream._stream.send_stream.send_all_hook = slow
        await conversation.client.send(GET % b"")
        assert len((await conversation.client.response())[2]) == 1_000_000
        assert trio.current_time() > 400


async def test_a_shielded_application_is_told_by_an_error_that_its_client_stopped_reading(converse, autojump_clock):
    async def shielded(scope, receive, send):
        with trio.CancelScope(shield=True), pytest.raises(ClientGone):
            await stream_forever(scope, receive, send)
        with trio.CancelScope(shield=True):
            assert await receive() == {"type": "http.disconnect"}

    async with converse(shielded) as conversation:
        conversation.connection.stream._stream.send_stream.send_all_hook = trio.sleep_forever
        await conversation.client.send(GET % b"")
        await conversation.closed.wait()
        assert conversation.app.outcomes == ["done"]


# Applications that do not do as they should


async def test_an_application_that_fails_is_answered_for_and_its_connection_lives(converse, caplog):
    async def fail(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("a bug")

    async with converse(fail) as conversation:
        for _ in range(2):
            await conversation.client.send(GET % b"")
            status, _, body = await conversation.client.response()
            assert status == 500
            assert b'"internal_error"' in body
            assert b"a bug" not in body
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert all(record.name == "trio_gateway.server" and record.exc_info for record in errors)


@pytest.mark.parametrize(
    "headers", [[(b"x", b"a\r\nset-cookie: b")], [(b"x\r\ny", b"a")], [(b"x", b"a\0")], [(b"", b"a")]]
)
async def test_a_response_that_would_smuggle_a_header_is_refused(converse, asgi, headers, caplog):
    async def inject(scope, receive, send):
        await asgi.respond(send, headers=headers)

    async with converse(inject) as conversation:
        await conversation.client.send(GET % b"")
        status, got, _ = await conversation.client.response()
        assert status == 500
        assert set(got) == {b"content-type", b"date", b"server", b"content-length", b"x-request-id"}
        assert conversation.app.outcomes == ["InvalidResponse"]
    assert "the application failed" in caplog.text


async def test_an_application_that_answers_nothing_gets_a_500(converse, caplog):
    async def nothing(scope, receive, send):
        pass

    async with converse(nothing) as conversation:
        await conversation.client.send(GET % b"")
        assert (await conversation.client.response())[0] == 500
    assert "no whole response" in caplog.text


async def test_a_response_that_fails_midway_is_cut_where_it_is(converse, caplog):
    async def fail(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise ValueError

    async with converse(fail) as conversation:
        await conversation.client.send(GET % b"")
        await conversation.client.head()
        assert await conversation.client.read_to_end() == b"4\r\nsome\r\n"


async def test_nothing_can_be_sent_once_the_exchange_is_over(converse, asgi):
    late = []

    async def keep(scope, receive, send):
        late.append((receive, send))
        await asgi.respond(send)

    async with converse(keep) as conversation:
        await conversation.client.send(GET % b"1" + GET % b"2")
        await conversation.client.response()
        await conversation.client.response()
        receive, send = late[0]
        with pytest.raises(ClientGone):
            await asgi.respond(send)
        assert await receive() == {"type": "http.disconnect"}


async def test_two_tasks_cannot_write_into_each_other(converse):
    async def write_twice(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(send, {"type": "http.response.body", "body": b"x", "more_body": True})

    async with converse(write_twice) as conversation:
        conversation.connection.stream._stream.send_stream.send_all_hook = trio.lowlevel.checkpoint
        await conversation.client.send(GET % b"")
        await conversation.closed.wait()
        assert conversation.app.outcomes == ["ExceptionGroup"]


async def test_a_writer_that_always_finds_room_lets_others_have_their_turn(converse):
    turns = 0

    async def write_much(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def take_turns():
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    class AlwaysRoom(TrioStream):
        def send_nowait(self, data):
            return len(data)

    async with converse(write_much) as conversation, trio.open_nursery() as nursery:
        conversation.connection.stream = AlwaysRoom(conversation.connection.stream._stream)
        nursery.start_soon(take_turns)
        await conversation.client.send(GET % b"")
        await conversation.app.ended.wait()
        nursery.cancel_scope.cancel(reason="enough")
    assert turns > 50


# Who leaves


@pytest.mark.parametrize("behind", [b"", b"\r\n", b"\r\n\r\n", GET % b"next", b"GET /half", b"nonsense\r\n\r\n"])
async def test_a_client_that_leaves_ends_its_exchange_whatever_bytes_it_sent_behind_the_request(converse, asgi, behind):
    async with converse(asgi.hang) as conversation:
        await conversation.client.send(GET % b"" + behind)
        await conversation.app.started.wait()
        await conversation.client.stream.aclose()
        await conversation.closed.wait()
        assert conversation.app.outcomes == ["cancelled"]
        assert len(conversation.app.scopes) == 1


async def test_half_closing_counts_as_leaving(converse, asgi):
    async with converse(asgi.hang) as conversation:
        await conversation.client.send(GET % b"")
        await conversation.app.started.wait()
        await conversation.client.stream.send_eof()
        await conversation.closed.wait()
        assert conversation.app.outcomes == ["cancelled"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_ends_its_exchange(converse):
    async with converse() as conversation:
        await conversation.client.send(POST % 3 + b"a")
        await conversation.app.started.wait()
        await conversation.client.stream.aclose()
        await conversation.closed.wait()
        assert conversation.app.outcomes == ["cancelled"]


async def test_an_application_that_still_receives_after_the_body_is_told_of_the_disconnect(converse, asgi):
    async def wait_for_disconnect(scope, receive, send):
        await asgi.read_body(receive)
        with trio.CancelScope(shield=True):
            assert await receive() == {"type": "http.disconnect"}

    async with converse(wait_for_disconnect) as conversation:
        await conversation.client.send(GET % b"")
        await conversation.app.started.wait()
        await conversation.client.stream.aclose()
        await conversation.closed.wait()
        assert conversation.app.outcomes == ["done"]


async def test_errors_left_behind_by_a_cancelled_exchange_are_logged_and_not_lost(converse, caplog):
    async def fail_when_cancelled(scope, receive, send):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while cleaning up")

    async with converse(fail_when_cancelled) as conversation:
        await conversation.client.send(GET % b"")
        await conversation.app.started.wait()
        await conversation.client.stream.aclose()
        await conversation.closed.wait()
    assert "while cleaning up" in caplog.text


async def test_a_client_that_leaves_between_requests_closes_the_connection(converse):
    async with converse() as conversation:
        await conversation.client.send(GET % b"")
        await conversation.client.response()
        await conversation.client.stream.aclose()
        await conversation.closed.wait()


# Versions, HEAD and the end of a connection


async def test_a_client_that_asks_to_close_is_answered_and_closed_and_nothing_behind_it_is_read(converse):
    async with converse() as conversation:
        await conversation.client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + GET % b"2")
        assert (await conversation.client.response())[1][b"connection"] == b"close"
        await conversation.client.stream.send_eof()
        assert await conversation.client.read_to_end() == b""
        assert len(conversation.app.scopes) == 1


async def test_http_1_0_is_closed_after_its_answer_unless_it_asks_to_stay(converse):
    async with converse() as conversation:
        await conversation.client.send(b"GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
        _, headers, body = await conversation.client.response()
        assert (headers[b"connection"], body) == (b"keep-alive", b"/1 ")
        _, headers, body = await conversation.client.response()
        assert (headers[b"connection"], body) == (b"close", b"/2 ")
        assert await conversation.client.read_to_end() == b""


async def test_http_1_0_gets_a_stream_without_chunks_that_ends_with_the_connection(converse):
    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async with converse(stream) as conversation:
        await conversation.client.send(b"GET / HTTP/1.0\r\n\r\n")
        _, headers = await conversation.client.head()
        assert not {b"content-length", b"transfer-encoding"} & set(headers)
        assert await conversation.client.read_to_end() == b"ab"


async def test_a_stream_is_chunked_and_its_connection_lives(converse):
    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body"})

    async with converse(stream) as conversation:
        for _ in range(2):
            await conversation.client.send(GET % b"")
            assert (await conversation.client.response())[2] == b"a"


async def test_a_response_to_head_has_the_head_of_one_to_get_and_no_body(converse):
    async with converse() as conversation:
        await conversation.client.send(b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n" + GET % b"x")
        head, get = await conversation.client.response(head_only=True), await conversation.client.response()
        assert head[1] == get[1]
        assert get[2] == b"/x "


@pytest.mark.parametrize("protocol", [b"h2c", b"foo"])
async def test_an_upgrade_that_is_not_offered_is_ignored(converse, protocol):
    upgrade = b"Connection: upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: !!\r\n" % protocol
    async with converse() as conversation:
        await conversation.client.send(b"GET /1 HTTP/1.1\r\nHost: h\r\n" + upgrade + b"\r\n" + GET % b"2")
        assert (await conversation.client.response())[2] == b"/1 "
        assert (await conversation.client.response())[2] == b"/2 "


async def test_writing_to_a_client_that_has_broken_off_ends_the_exchange(converse):
    gate = trio.Event()

    async def wait_then_write(scope, receive, send):
        await gate.wait()
        await stream_forever(scope, receive, send)

    async def break_off():
        raise trio.BrokenResourceError

    async with converse(wait_then_write) as conversation:
        conversation.connection.stream._stream.send_stream.send_all_hook = break_off
        await conversation.client.send(GET % b"")
        gate.set()
        await conversation.closed.wait()
        assert conversation.app.outcomes == ["cancelled"]


async def test_an_exchange_has_no_deadline_of_the_servers(converse):
    deadlines = []

    async def keep_deadline(scope, receive, send):
        deadlines.append(trio.current_effective_deadline())

    async with converse(keep_deadline) as conversation:
        await conversation.client.send(GET % b"")
        await conversation.client.response()
    assert deadlines == [inf]


async def test_a_connection_that_ends_in_mid_exchange_is_freed_without_the_garbage_collector(converse, asgi):
    gc.disable()
    try:
        async with converse(asgi.hang) as conversation:
            await conversation.client.send(GET % b"1")
            await trio.testing.wait_all_tasks_blocked()
            connection = weakref.ref(conversation.connection)
            del conversation.connection
            await conversation.client.stream.aclose()
            await conversation.closed.wait()
            conversation.app.scopes.clear()
            await trio.testing.wait_all_tasks_blocked()
            assert connection() is None
    finally:
        gc.enable()
