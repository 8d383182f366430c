from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.conversation import (
    AnswerContext,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Stop,
    Text,
    Token,
    ToolCall,
    Usage,
)
from trio_gateway.dialects.events import (
    AnswerEvent,
    Cite,
    Close,
    Delta,
    End,
    Fail,
    Finish,
    LogprobsDelta,
    Open,
    Ping,
    Sign,
    Start,
    UsageUpdate,
    fold,
)
from trio_gateway.dialects.openai_responses import AnswerDecoder, AnswerEncoder, encode_answer
from trio_gateway.errors import UpstreamError

ME = "openai_responses"
CONTEXT = AnswerContext(id="x1", created=5, model="ours")
SEARCH = Raw(b'{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}')
STOP = [Finish(Stop("stop")), End()]
Events = Callable[[bytes], list[dict[str, Any]]]


def encode(*events: AnswerEvent) -> bytes:
    encoder = AnswerEncoder(CONTEXT)
    return encoder.feed(list(events)) + encoder.close()


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def lost(*events: AnswerEvent) -> list[str]:
    encoder = AnswerEncoder(CONTEXT)
    encoder.feed([*events, *STOP])
    return [loss.pointer for loss in encoder.losses]


def test_a_text_climbs_the_whole_ladder(events_of: Events) -> None:
    events = events_of(
        encode(Start("resp_9", "gpt", 7), Open(0, "text"), Delta(0, "Hel"), Delta(0, "lo"), Close(0),
               UsageUpdate(Usage(1, 2)), *STOP)
    )  # fmt: skip
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    whole = events[-1]["response"]
    assert (whole["id"], whole["model"], whole["created_at"], whole["status"]) == ("resp_9", "gpt", 7, "completed")
    assert whole["output"] == [events[-2]["item"]]
    assert whole["usage"]["total_tokens"] == 3
    assert events[6]["text"] == "Hello"


def test_a_call_climbs_its_ladder(events_of: Events) -> None:
    events = events_of(
        encode(Start(), Open(0, "call", id="toolu_1", name="f"), Delta(0, '{"a"'), Delta(0, ":1}"), Close(0), *STOP)
    )
    assert types(events)[2:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert events[2]["item"] == {
        "type": "function_call",
        "id": "fc_x1_0",
        "call_id": "toolu_1",
        "name": "f",
        "arguments": "",
        "status": "in_progress",
    }
    assert events[-2]["item"] == {**events[2]["item"], "arguments": '{"a":1}', "status": "completed"}


def test_a_call_without_arguments_ends_with_an_empty_object(events_of: Events) -> None:
    events = events_of(encode(Start(), Open(0, "call", id="c", name="f"), Close(0), *STOP))
    assert types(events)[2:4] == ["output_item.added", "function_call_arguments.done"]
    assert events[-1]["response"]["output"][0]["arguments"] == "{}"


def test_calls_without_ids_get_different_ones(events_of: Events) -> None:
    events = events_of(encode(Start(), Open(0, "call", name="f"), Close(0), Open(1, "call", name="f"), Close(1), *STOP))
    assert [item["call_id"] for item in events[-1]["response"]["output"]] == ["call_x1_0", "call_x1_1"]


def test_custom_calls(events_of: Events) -> None:
    events = events_of(encode(Start(), Open(0, "custom_call", id="c", name="sh"), Delta(0, "ls"), Close(0), *STOP))
    assert types(events)[3:5] == ["custom_tool_call_input.delta", "custom_tool_call_input.done"]
    assert events[-1]["response"]["output"][0]["input"] == "ls"


def test_a_call_says_the_namespace_it_is_of_when_it_begins_and_when_it_is_done(events_of: Events) -> None:
    for kind in ("call", "custom_call"):
        called = Open(0, kind, id="c", name="f", namespace="crm")  # type: ignore[arg-type]  # literals
        events = events_of(encode(Start(), called, Delta(0, "{}"), Close(0), *STOP))
        told = [events[2]["item"], events[-2]["item"], events[-1]["response"]["output"][0]]
        assert [(item["name"], item["namespace"]) for item in told] == [("f", "crm")] * 3


def test_reasoning_is_a_summary_with_its_token(events_of: Events) -> None:
    token = Token("anthropic_messages", "sig")
    events = events_of(encode(Start(), Open(0, "reasoning"), Delta(0, "hm"), Sign(0, token), Close(0), *STOP))
    assert types(events)[2:-1] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert events[-2]["item"]["encrypted_content"] == "trio:anthropic_messages:sig"


def test_our_own_token_goes_with_the_id_it_is_bound_to(events_of: Events) -> None:
    events = events_of(encode(Start(), Open(0, "reasoning", id="rs_7"), Sign(0, Token(ME, "rs_7:gA")), Close(0), *STOP))
    assert events[-1]["response"]["output"] == [
        {"type": "reasoning", "id": "rs_7", "summary": [], "encrypted_content": "gA"}
    ]


def test_two_thoughts_never_share_an_id(events_of: Events) -> None:
    events = events_of(
        encode(Start(), Open(0, "reasoning", id="rs_7"), Close(0), Open(1, "reasoning", id="rs_7"), Close(1), *STOP)
    )
    assert [item["id"] for item in events[-1]["response"]["output"]] == ["rs_7", "rs_x1_1"]


def test_redacted_thinking_is_marked(events_of: Events) -> None:
    token = Token("anthropic_messages", "data")
    events = events_of(encode(Start(), Open(0, "redacted"), Sign(0, token), Close(0), *STOP))
    assert events[-2]["item"]["encrypted_content"] == "trio:anthropic_messages:redacted:data"


def test_a_token_of_a_call_or_a_text_follows_it(events_of: Events) -> None:
    token = Token("gemini", "sig")
    events = events_of(
        encode(Start(), Open(0, "text"), Delta(0, "a"), Sign(0, token), Close(0),
               Open(1, "call", id="c", name="f"), Sign(1, token), Close(1), *STOP)
    )  # fmt: skip
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "reasoning", "function_call", "reasoning"]
    assert {item["encrypted_content"] for item in output[1::2]} == {"trio:gemini:previous:sig"}


def test_texts_and_refusals_in_a_row_are_parts_of_one_message(events_of: Events) -> None:
    events = events_of(
        encode(Start(), Open(0, "text"), Delta(0, "a"), Close(0), Open(1, "refusal"), Delta(1, "no"), Close(1),
               Finish(Stop("refusal")), End())
    )  # fmt: skip
    [message] = events[-1]["response"]["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]
    assert events[-1]["type"] == "response.completed"


def test_parts_that_are_open_at_once_each_have_their_place(events_of: Events) -> None:
    events = events_of(
        encode(
            Start(), Open(0, "text"), Delta(0, "a"), Open(1, "call", id="c", name="f"), Delta(1, "{"), Delta(0, "b"),
            Open(2, "call", id="d", name="f"), Delta(2, "{}"), Delta(1, "}"), Close(2), Close(0), Close(1), *STOP,
        )
    )  # fmt: skip
    output = events[-1]["response"]["output"]
    assert output[0]["content"][0]["text"] == "ab"
    assert [item["arguments"] for item in output[1:]] == ["{}", "{}"]
    finished = [event["output_index"] for event in events if event["type"] == "response.output_item.done"]
    assert finished == [2, 0, 1]


def test_citations_become_annotations(events_of: Events) -> None:
    note = {"type": "file_path", "file_id": "f", "index": 0}
    own = Cite(0, Raw(msgspec.json.encode(note)))
    events = events_of(encode(Start(), Open(0, "text"), Delta(0, "a"), own, own, Close(0), *STOP))
    notes = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert [event["annotation_index"] for event in notes] == [0, 1]
    assert events[-1]["response"]["output"][0]["content"][0]["annotations"] == [note, note]


def test_a_cited_page_is_told_when_its_text_is_whole(events_of: Events) -> None:
    page = {
        "type": "web_search_result_location",
        "url": "https://a",
        "title": "T",
        "cited_text": "",
        "encrypted_index": "",
    }
    cite = Cite(0, Raw(msgspec.json.encode(page)))
    events = events_of(encode(Start(), Open(0, "text"), Delta(0, "a"), cite, Delta(0, "bc"), Close(0), *STOP))
    told = {"type": "url_citation", "url": "https://a", "title": "T", "start_index": 0, "end_index": 3}
    kinds = [event["type"] for event in events]
    place = kinds.index("response.output_text.annotation.added")
    assert events[place]["annotation"] == told
    assert kinds[place + 1] == "response.output_text.done"
    assert events[-1]["response"]["output"][0]["content"][0]["annotations"] == [told]


ENTRY = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
LOGPROBS = LogprobsDelta(Raw(msgspec.json.encode({"content": [ENTRY]})))


@pytest.mark.parametrize(
    "middle",
    [[Open(0, "text"), Delta(0, "a"), LOGPROBS, Close(0)], [LOGPROBS, Open(0, "text"), Delta(0, "a"), Close(0)]],
)
def test_logprobs_find_their_text(events_of: Events, middle: list[AnswerEvent]) -> None:
    events = events_of(encode(Start(), *middle, *STOP))
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == [ENTRY]
    assert [
        event["logprobs"] for event in events if event["type"] == "response.output_text.delta" and event["logprobs"]
    ] == [[ENTRY]]


def test_opaque_items_and_parts_of_our_own_pass(events_of: Events) -> None:
    stream = encode(Start(), Open(0, "opaque", tag="web_search_call", raw=SEARCH, dialect=ME), Close(0), *STOP)
    assert stream.count(bytes(SEARCH)) == 3
    assert types(events_of(stream))[2:4] == ["output_item.added", "output_item.done"]
    part = Raw(b'{"type":"output_audio","x":1}')
    stream = encode(Start(), Open(0, "opaque", tag="output_audio", raw=part, dialect=ME), Close(0), *STOP)
    assert stream.count(bytes(part)) == 4


@pytest.mark.parametrize(
    ("events", "pointers"),
    [
        ([Open(0, "opaque", tag="server_tool_use", raw=Raw(b"{}"), dialect="anthropic_messages"), Close(0)], [""]),
        ([Open(0, "text"), Cite(0, Raw(b'{"type":"char_location"}')), Close(0)], ["/citations"]),
        ([Open(0, "text", choice=1), Delta(0, "b"), Close(0), Open(1, "text", choice=1), Close(1)], ["/choices/1"]),
        ([Finish(Stop("stop"), 1)], ["/choices/1"]),
        ([LOGPROBS], ["/logprobs"]),
        ([UsageUpdate(Usage(output=3))], ["/usage"]),
    ],
)
def test_what_a_stream_cannot_hold_is_a_loss(events: list[AnswerEvent], pointers: list[str]) -> None:
    assert lost(Start(), *events) == pointers


def test_an_answer_cut_off_is_incomplete(events_of: Events) -> None:
    events = events_of(
        encode(Start(), Open(0, "call", id="c", name="f"), Delta(0, '{"a'), Close(0), Open(1, "text"), Delta(1, "x"),
               Close(1), Finish(Stop("length")), End())
    )  # fmt: skip
    whole = events[-1]["response"]
    assert (events[-1]["type"], whole["incomplete_details"]) == ("response.incomplete", {"reason": "max_output_tokens"})
    assert [item["status"] for item in whole["output"]] == ["incomplete", "incomplete"]


# ------------------------------------------------------------------------------------------- failures


def test_a_failure_is_an_error_and_a_failed_response_and_then_nothing(events_of: Events) -> None:
    encoder = AnswerEncoder(CONTEXT)
    error = UpstreamError("Overloaded", status=529, kind="overloaded_error")
    stream = encoder.feed([Start(), Open(0, "text"), Delta(0, "a"), Fail(error), Delta(0, "b"), End()])
    assert encoder.feed([Delta(0, "c"), *STOP]) == encoder.close() == b""
    events = events_of(stream)
    assert types(events)[-2:] == ["error", "failed"]
    assert (events[-2]["message"], events[-2]["code"]) == ("Overloaded", "server_is_overloaded")
    assert events[-1]["response"]["error"] == {"code": "server_error", "message": "Overloaded"}
    assert events[-1]["response"]["status"] == "failed"


@pytest.mark.parametrize("events", [[], [Start()], [Start(), Open(0, "text"), Delta(0, "a")], [Finish(Stop("stop"))]])
def test_a_stream_that_just_stops_is_a_failure(events_of: Events, events: list[AnswerEvent]) -> None:
    seen = types(events_of(encode(*events)))
    assert seen[:2] == ["created", "in_progress"]
    assert seen[-2:] == ["error", "failed"]


def test_nothing_is_written_for_a_ping() -> None:
    encoder = AnswerEncoder(CONTEXT)
    assert encoder.feed([Ping()]) == b""


# --------------------------------------------------------------------------------------------- the SDK


def client_of(stream: bytes) -> openai.OpenAI:
    def respond(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    transport = httpx2.MockTransport(respond)
    return openai.OpenAI(
        api_key="k", base_url="http://x", http_client=httpx2.Client(transport=transport), max_retries=0
    )


def test_the_vendors_helper_accumulates_our_stream() -> None:
    stream = encode(
        Start(), Open(0, "reasoning"), Delta(0, "hm"), Close(0), Open(1, "text"), Delta(1, "Hel"),
        Open(2, "call", id="c", name="f"), Delta(2, '{"a":'), Delta(1, "lo"), Delta(2, "1}"), Close(2), Close(1),
        Open(3, "refusal"), Delta(3, "no"), Close(3), UsageUpdate(Usage(1, 2)), *STOP,
    )  # fmt: skip
    with client_of(stream) as client, client.responses.stream(model="m", input="hi") as seen:
        snapshots = [event.snapshot for event in seen if event.type == "response.output_text.delta"]
        final = seen.get_final_response()
    assert snapshots == ["Hel", "Hello"]
    assert final.output_text == "Hello"
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call", "message"]


def test_the_vendors_helper_hears_of_a_failure() -> None:
    stream = encode(Fail(UpstreamError("Gone", status=502)))
    with client_of(stream) as client, client.responses.stream(model="m", input="hi") as seen:
        assert [event.type for event in seen][-2:] == ["error", "response.failed"]


# ------------------------------------------------------------------------------------------------- laws

words = st.text(min_size=1, max_size=4)
tokens = st.none() | st.builds(Token, st.sampled_from(["anthropic_messages", "gemini"]), st.text("ab", min_size=1))
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, words, citations=st.none() | st.just([Raw(b'{"type":"file_path","file_id":"f","index":0}')])),
    st.builds(Refusal, words),
    st.builds(ToolCall, words, words, st.sampled_from(["{}", '{"a":1}', '{"a'])),
    st.builds(ToolCall, words, words, words, custom=st.just(True)),
    st.builds(Reasoning, words, token=tokens),
    st.just(Opaque(ME, "web_search_call", SEARCH)),
)


def kind_of(part: Part) -> Any:
    if isinstance(part, ToolCall):
        return "custom_call" if part.custom else "call"
    return {Text: "text", Refusal: "refusal", Reasoning: "reasoning", Opaque: "opaque"}[type(part)]


def telling(key: int, part: Part) -> list[AnswerEvent]:
    """Tell one part, character by character."""
    if isinstance(part, Opaque):
        return [Open(key, "opaque", tag=part.tag, raw=part.raw, dialect=part.dialect), Close(key)]
    opened = Open(key, kind_of(part))
    if isinstance(part, ToolCall):
        opened.id, opened.name = part.id, part.name
    text = part.arguments if isinstance(part, ToolCall) else part.text  # type: ignore[union-attr]  # all others have it
    events: list[AnswerEvent] = [opened, *(Delta(key, piece) for piece in text)]
    if isinstance(part, Text):
        events += [Cite(key, raw) for raw in part.citations or ()]
    token = getattr(part, "token", None)
    if token is not None:
        events.append(Sign(key, token))
    return [*events, Close(key)]


def streams(interleaved: bool) -> st.SearchStrategy[list[AnswerEvent]]:
    @st.composite
    def stream(draw: st.DrawFn) -> list[AnswerEvent]:
        tellings = [telling(key, part) for key, part in enumerate(draw(st.lists(parts, max_size=4)))]
        events: list[AnswerEvent] = [Start("resp_1", "m", 7)]
        while tellings:
            chosen = draw(st.integers(0, len(tellings) - 1)) if interleaved else 0
            events.append(tellings[chosen].pop(0))
            tellings = [rest for rest in tellings if rest]
        stop = draw(st.sampled_from(["stop", "length"]))
        return [*events, UsageUpdate(Usage(1, 2, 3, 4, 5)), Finish(Stop(stop)), End()]

    return stream()


@given(streams(interleaved=False))
def test_r10_a_stream_ends_with_the_answer_told_at_once(events: list[AnswerEvent]) -> None:
    last = encode(*events).rpartition(b"data: ")[2]
    body, _ = encode_answer(fold(events, "x"), CONTEXT)
    assert msgspec.json.decode(last)["response"] == msgspec.json.decode(body)


@given(streams(interleaved=True))
def test_our_own_decoder_reads_what_was_told(events: list[AnswerEvent]) -> None:
    decoder = AnswerDecoder()
    again = fold(decoder.feed(encode(*events)) + decoder.close(), ME)
    told = fold(events, ME)
    assert [thoughtless(part) for part in again.choices[0].parts] == [
        thoughtless(part) for part in told.choices[0].parts
    ]
    assert (again.id, again.model, again.created, again.usage) == (told.id, told.model, told.created, told.usage)


def thoughtless(part: Part) -> Part:
    """Return the part without the id that a thought must have here."""
    return Reasoning(part.text, token=part.token, redacted=part.redacted) if isinstance(part, Reasoning) else part


@given(streams(interleaved=True), st.data())
def test_r12_what_was_written_stays_written_however_events_are_grouped(
    events: list[AnswerEvent], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    encoder = AnswerEncoder(CONTEXT)
    pieces = [encoder.feed(events[start:end]) for start, end in itertools.pairwise([0, *cuts, len(events)])]
    assert b"".join(pieces) + encoder.close() == encode(*events)


@given(streams(interleaved=True), st.integers(0, 40))
def test_r13_a_prefix_ends_in_success_only_if_the_source_did(
    events_of: Events, events: list[AnswerEvent], end: int
) -> None:
    seen = types(events_of(encode(*events[:end])))
    ends = [name for name in seen if name in ("completed", "incomplete", "failed")]
    assert len(ends) == 1
    assert seen[-1] == ends[0]
    assert (ends[0] != "failed") == (end >= len(events))


@given(streams(interleaved=True))
def test_output_items_are_dense_and_the_last_event_repeats_them(events_of: Events, events: list[AnswerEvent]) -> None:
    seen = events_of(encode(*events))
    opened = [event["output_index"] for event in seen if event["type"] == "response.output_item.added"]
    finished = {event["output_index"]: event["item"] for event in seen if event["type"] == "response.output_item.done"}
    assert opened == list(range(len(opened)))
    assert [finished[index] for index in opened] == seen[-1]["response"]["output"]
