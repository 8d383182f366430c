"""A stream of Responses that the gateway itself has to end: as OpenAI would have ended it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import msgspec
import openai
import pytest

from trio_gateway.dialects.openai_responses.passage import ResponsesStream
from trio_gateway.errors import UpstreamError, UpstreamTimeout

Sse: TypeAlias = Callable[..., bytes]
Events: TypeAlias = Callable[[bytes], list[dict[str, Any]]]

RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "error": None,
    "instructions": 'The "status" is:\n"in_progress"', "model": "m", "output": [], "parallel_tool_calls": True,
    "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0, "metadata": {"status": "mine", "error": "x"},
    "incomplete_details": None, "usage": None, "of_tomorrow": {"a": 1},
}  # fmt: skip
CREATED = {"type": "response.created", "sequence_number": 0, "response": RESPONSE}
PROGRESS = {"type": "response.in_progress", "sequence_number": 1, "response": RESPONSE | {"of_tomorrow": None}}
ADDED = {
    "type": "response.output_item.added", "sequence_number": 2, "output_index": 0,
    "item": {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []},
}  # fmt: skip
DELTA = {
    "type": "response.output_text.delta", "sequence_number": 3, "item_id": "msg_1", "output_index": 0,
    "content_index": 0, "delta": "Hel", "logprobs": [],
}  # fmt: skip
BEGUN = (CREATED, PROGRESS, ADDED, DELTA)
COMPLETED = {"type": "response.completed", "sequence_number": 4, "response": RESPONSE | {"status": "completed"}}
TOO_SLOW = UpstreamTimeout("Too slow.")


@pytest.mark.parametrize("pieces", ["in one", "event by event", "byte by byte"])
def test_a_stream_that_breaks_off_is_an_error_and_a_response_that_failed(
    sse: Sse, events_of: Events, pieces: str
) -> None:
    passage = ResponsesStream(str)
    said = sse(*BEGUN)
    chunks = {
        "in one": [said],
        "event by event": [sse(event) for event in BEGUN],
        "byte by byte": [said[i : i + 1] for i in range(len(said))],
    }[pieces]
    assert b"".join(map(passage.feed, chunks)) == said
    told = events_of(said + passage.close())
    *_, error, failed = told
    assert len(told) == len(BEGUN) + 2
    assert error["type"] == "error"
    assert failed["type"] == "response.failed"
    assert failed["response"] == RESPONSE | {
        "status": "failed",
        "error": {"code": "server_error", "message": error["message"]},
    }
    assert "terminal" in error["message"]


def test_so_it_is_where_the_break_comes_with_the_beginning(sse: Sse, events_of: Events) -> None:
    passage = ResponsesStream(str)
    told = events_of(passage.feed(sse(*BEGUN) + b"data: {broken}\n\n" + sse(COMPLETED)) + passage.close())
    assert [event["type"] for event in told[len(BEGUN) :]] == ["error", "response.failed"]


@pytest.mark.parametrize(
    ("error", "code", "failure"),
    [
        (TOO_SLOW, "upstream_timeout", "server_error"),
        (UpstreamError("Too many.", status=429), "rate_limit_error", "rate_limit_exceeded"),
        (UpstreamError("No.", status=400, code="image_too_large"), "image_too_large", "image_too_large"),
    ],
)
def test_the_response_fails_with_the_errors_words(
    sse: Sse, events_of: Events, error: UpstreamError, code: str, failure: str
) -> None:
    passage = ResponsesStream(str)
    said = passage.feed(sse(*BEGUN))
    *_, told, failed = events_of(said + passage.fail(error))
    assert (told["code"], told["message"]) == (code, error.message)
    assert failed["response"]["error"] == {"code": failure, "message": error.message}


def test_nothing_follows_what_has_ended(sse: Sse) -> None:
    passage = ResponsesStream(str)
    assert passage.feed(sse(*BEGUN, COMPLETED)) == sse(*BEGUN, COMPLETED)
    assert passage.fail(TOO_SLOW) == passage.close() == b""
    assert passage.error is None


def test_a_response_that_no_event_has_told_does_not_fail(sse: Sse) -> None:
    passage = ResponsesStream(str)
    assert passage.feed(sse(ADDED, DELTA))
    told = passage.fail(TOO_SLOW)
    assert told.startswith(b"event: error\n")
    assert told.count(b"event:") == 1


def test_a_response_over_several_lines_fails_in_one(events_of: Events) -> None:
    passage = ResponsesStream(str)
    spread = msgspec.json.format(msgspec.json.encode(CREATED)).replace(b"\n", b"\r\ndata: ")
    assert passage.feed(b"event: response.created\r\ndata: %b\r\n\r\n" % spread) == b""
    passage.feed(b"data: %b\n\n" % msgspec.json.encode(DELTA))
    told = passage.fail(TOO_SLOW)
    name, data = told.split(b"\n\n")[1].split(b"\n")
    assert name == b"event: response.failed"
    failed = msgspec.json.decode(data.removeprefix(b"data: "))["response"]
    assert failed | {"status": "in_progress", "error": None} == RESPONSE


def test_openais_own_client_reads_the_end(sse: Sse) -> None:
    passage = ResponsesStream(str)
    stream = passage.feed(sse(*BEGUN)) + passage.fail(TOO_SLOW)
    headers = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=stream))
    with (
        httpx.Client(transport=transport) as http,
        openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0) as client,
        client.responses.create(model="m", input="Hi", stream=True) as read,
    ):
        *_, error, failed = read
    assert error.type == "error"
    assert error.message == "Too slow."
    assert failed.type == "response.failed"
    assert (failed.response.id, failed.response.status) == ("resp_1", "failed")
    assert failed.response.error is not None
    assert failed.response.error.message == "Too slow."


ERROR = {"type": "error", "sequence_number": 7, "code": "context_length_exceeded", "message": "Long.", "param": None}


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_so_it_is_behind_an_error_whose_frame_is_not_ended(sse: Sse, events_of: Events, cut: int) -> None:
    passage = ResponsesStream(str)
    said = sse(*BEGUN, ERROR | {"sequence_number": len(BEGUN), "code": "server_error"})
    told = passage.feed(said[: len(said) - cut]) + passage.close()
    *_, error, failed = events_of(told.replace(b"\n\n\n", b"\n\n"))
    assert (error["type"], failed["type"]) == ("error", "response.failed")


@pytest.mark.parametrize("follows", [True, False])
def test_a_providers_own_error_is_followed_by_the_response_that_failed(sse: Sse, follows: bool) -> None:
    passage = ResponsesStream(str)
    failed = {"type": "response.failed", "sequence_number": 8, "response": RESPONSE | {"status": "failed"}}
    said = sse(*BEGUN, ERROR)
    told = passage.feed(said) + (passage.feed(sse(failed)) if follows else b"") + passage.close()
    assert told.startswith(said)
    name, data = told[len(said) : -2].split(b"\n")
    assert name == b"event: response.failed"
    assert msgspec.json.decode(data.removeprefix(b"data: ")) == {
        "type": "response.failed",
        "sequence_number": 8,
        "response": RESPONSE | {"status": "failed", "error": {"code": "context_length_exceeded", "message": "Long."}},
    }
    assert passage.ended


def test_a_response_that_the_provider_says_failed_is_the_last_word(sse: Sse) -> None:
    passage = ResponsesStream(str)
    error = {"code": "server_error", "message": "Broken."}
    failed = {"type": "response.failed", "sequence_number": 4, "response": RESPONSE | {"error": error}}
    assert passage.feed(sse(*BEGUN, failed)) + passage.close() == sse(*BEGUN, failed)


def test_an_error_before_anything_is_seen_can_be_tried_elsewhere(sse: Sse) -> None:
    passage = ResponsesStream(str)
    assert passage.feed(sse(CREATED, PROGRESS, ERROR)) + passage.close() == b""
    assert not passage.begun
    assert passage.error is not None
    assert passage.error.code == "context_length_exceeded"
