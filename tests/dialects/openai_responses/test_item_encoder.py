from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tests.dialects.readers import placeless
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    Audio,
    CacheMark,
    File,
    Image,
    Losses,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Token,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.openai_responses.item_decoder import ItemReader
from trio_gateway.dialects.openai_responses.item_encoder import ItemWriter
from trio_gateway.errors import InvalidRequest

ME = "openai_responses"
EVERYTHING = Capabilities(cache_breakpoints=True)


def written(turns: list[Turn], can: Capabilities = EVERYTHING, source: str = "x") -> tuple[list[Raw], Losses]:
    writer = ItemWriter(source, can, [])
    for turn in turns:
        writer.write(turn)
    return writer.items, writer.losses


def write(*turns: Turn, can: Capabilities = EVERYTHING, source: str = "x") -> tuple[list[Any], list[str]]:
    items, losses = written(list(turns), can, source)
    return [msgspec.json.decode(item) for item in items], [loss.pointer for loss in losses]


def read(items: list[Raw]) -> tuple[list[Turn], Losses]:
    reader = ItemReader([])
    for index, item in enumerate(items):
        reader.read(item, f"/input/{index}")
    return reader.turns, reader.losses


def test_each_role_keeps_its_own() -> None:
    turns = [Turn(role, [Text("a")]) for role in ("system", "developer", "user")]  # type: ignore[arg-type]  # literals
    items, losses = write(*turns)
    assert items == [
        {"type": "message", "role": role, "content": [{"type": "input_text", "text": "a"}]}
        for role in ("system", "developer", "user")
    ]
    assert losses == []


def test_what_the_assistant_said_needs_no_made_up_id_where_it_is_plain() -> None:
    assert write(Turn("assistant", [Text("a")], phase="commentary"))[0] == [
        {"type": "message", "role": "assistant", "content": "a", "phase": "commentary"}
    ]


def test_a_message_of_several_parts_is_whole() -> None:
    annotation = Raw(b'{"type":"file_path","file_id":"f","index":0}')
    items, losses = write(Turn("assistant", [Text("a", citations=[annotation]), Refusal("no")]))
    assert items == [
        {
            "type": "message",
            "id": "msg_0",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "annotations": [msgspec.json.decode(annotation)], "logprobs": [], "text": "a"},
                {"type": "refusal", "refusal": "no"},
            ],
        }
    ]
    assert losses == []


def test_a_turn_becomes_items_in_order() -> None:
    parts: list[Part] = [
        Reasoning("hm", token=Token(ME, "rs_9:gA"), id="rs_ignored"),
        Text("a"),
        ToolCall("c", "f", '{"x": 1}', item_id="fc_1"),
        ToolCall("d", "sh", "ls", custom=True),
    ]
    items, losses = write(Turn("assistant", parts))
    assert items == [
        {
            "type": "reasoning",
            "id": "rs_9",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gA",
        },
        {"type": "message", "role": "assistant", "content": "a"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x": 1}', "id": "fc_1"},
        {"type": "custom_tool_call", "call_id": "d", "name": "sh", "input": "ls"},
    ]
    assert losses == []


def test_a_token_without_an_id_makes_none_up_for_it_would_be_refused() -> None:
    items, _ = write(Turn("assistant", [Reasoning("", token=Token(ME, ":gA"))]))
    assert items == [{"type": "reasoning", "summary": [], "encrypted_content": "gA"}]


@pytest.mark.parametrize("token", [None, Token("anthropic_messages", "sig"), Token("gemini", "sig")])
def test_no_foreign_token_and_no_unsigned_thought_goes_upstream(token: Token | None) -> None:
    items, losses = write(Turn("assistant", [Reasoning("hm", "/p", token), Text("a")]))
    assert [item["type"] for item in items] == ["message"]
    assert losses == ["/p"]


def test_tokens_of_texts_and_calls_are_dropped_with_a_loss() -> None:
    token = Token("gemini", "sig")
    items, losses = write(
        Turn("assistant", [Text("a", "/t", token=token), ToolCall("c", "f", "{}", "/c", token=token)])
    )
    assert "sig" not in str(items)
    assert losses == ["/t", "/c"]


# ------------------------------------------------------------------------------------------------ turns


@pytest.mark.parametrize(
    ("second", "joined"),
    [
        (Turn("assistant", [Text("b")], "/2"), False),
        (Turn("assistant", [ToolCall("c", "f", "{}")], "/2"), True),
        (Turn("assistant", [Reasoning("", token=Token("gemini", "s")), Text("b")], "/2"), False),
        (Turn("assistant", [Reasoning("", token=Token(ME, "rs:s")), Text("b")], "/2"), True),
    ],
)
def test_a_turn_that_cannot_be_told_from_the_last_is_a_loss(second: Turn, joined: bool) -> None:
    turns = [Turn("assistant", [Text("a")], "/1"), second]
    items, losses = written(turns)
    assert ("/2" in [loss.pointer for loss in losses]) is joined
    assert (len(read(items)[0]) == 1) is joined


def test_a_turn_in_which_nothing_is_said_is_left_out_with_a_loss() -> None:
    assert write(Turn("assistant", [], "/t")) == ([], ["/t"])


@pytest.mark.parametrize(
    "turn",
    [
        Turn("assistant", [Text("a")], "/t", phase="thinking"),
        Turn("assistant", [ToolCall("c", "f", "{}")], "/t", phase="commentary"),
        Turn("user", [Text("a")], "/t", phase="commentary"),
    ],
)
def test_a_phase_that_has_no_place_is_a_loss(turn: Turn) -> None:
    assert write(turn)[1] == ["/t/phase"]


def test_names_of_messages_are_lost() -> None:
    assert write(Turn("user", [Text("a")], "/t", name="bob"))[1] == ["/t/name"]


# ----------------------------------------------------------------------------------------------- results


def test_a_text_is_a_plain_output_and_everything_else_a_list() -> None:
    image = Image(Media("base64", "iVBOR", "image/png"), detail="high")
    items, losses = write(
        Turn(
            "tool",
            [ToolResult("a", [Text("ok")], name="f_g"), ToolResult("b", []), ToolResult("c", [Text("see"), image])],
        )
    )
    assert items == [
        {"type": "function_call_output", "output": "ok", "call_id": "a", "name": "f_g"},
        {"type": "function_call_output", "output": "", "call_id": "b"},
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "detail": "high", "image_url": "data:image/png;base64,iVBOR"},
            ],
        },
    ]
    assert losses == []


def test_results_of_custom_tools() -> None:
    items, losses = write(Turn("tool", [ToolResult("a", [Text("ok")], "/r", name="sh", custom=True)]))
    assert items == [{"type": "custom_tool_call_output", "output": "ok", "call_id": "a"}]
    assert losses == ["/r"]


def test_calls_and_results_say_the_namespace_they_are_of() -> None:
    calls: list[Part] = [
        ToolCall("c", "f", "{}", namespace="crm"),
        ToolCall("d", "g", "x", custom=True, namespace="crm"),
    ]
    results: list[Part] = [ToolResult("c", [Text("ok")], name="f", namespace="crm")]
    items, losses = write(Turn("assistant", calls), Turn("tool", results))
    assert [(item["name"], item["namespace"]) for item in items] == [("f", "crm"), ("g", "crm"), ("f", "crm")]
    assert losses == []


@pytest.mark.parametrize(("is_error", "lost"), [(True, ["/r"]), (False, []), (None, [])])
def test_that_a_call_failed_is_lost(is_error: bool | None, lost: list[str]) -> None:
    assert write(Turn("tool", [ToolResult("a", [Text("ok")], "/r", is_error=is_error)]))[1] == lost


def test_a_result_and_its_call_keep_one_id_however_long_it_is() -> None:
    long = "call_" + "x" * 100
    items, losses = write(
        Turn("assistant", [ToolCall(long, "f", "{}", "/c")]), Turn("tool", [ToolResult(long, [], "/r")])
    )
    assert items[0]["call_id"] == items[1]["call_id"]
    assert len(items[0]["call_id"]) <= 64
    assert losses == ["/c", "/r"]


def test_a_results_cache_mark_goes_to_its_last_part() -> None:
    items, losses = write(Turn("tool", [ToolResult("a", [Text("x"), Text("y")], "/r", cache=CacheMark())]))
    assert [part.get("prompt_cache_breakpoint") for part in items[0]["output"]] == [None, {"mode": "explicit"}]
    assert losses == ["/r"]


# ---------------------------------------------------------------------------------------------- what fits


def test_cache_marks_are_breakpoints_where_the_model_takes_them() -> None:
    turn = Turn("user", [Text("a", "/a", CacheMark("30m")), Text("b", "/b", CacheMark("1h"))])
    items, losses = write(turn)
    assert [part["prompt_cache_breakpoint"] for part in items[0]["content"]] == [
        {"mode": "explicit", "ttl": "30m"},
        {"mode": "explicit"},
    ]
    assert losses == ["/b"]
    items, losses = write(turn, can=Capabilities())
    assert "prompt_cache_breakpoint" not in str(items)
    assert losses == ["/a", "/b"]


@pytest.mark.parametrize(
    ("part", "can"),
    [
        (Audio(Media("base64", "AA=="), "/p"), EVERYTHING),
        (Image(Media("url", "https://a"), "/p"), Capabilities(images=False)),
        (File(Media("url", "https://a"), "/p"), Capabilities(files=False)),
        (Opaque("anthropic_messages", "server_tool_use", Raw(b"{}"), "/p"), EVERYTHING),
    ],
)
def test_what_the_model_does_not_take_is_left_out_with_a_loss(part: Part, can: Capabilities) -> None:
    items, losses = write(Turn("user", [part, Text("a")]), can=can)
    assert [kind["type"] for kind in items[0]["content"]] == ["input_text"]
    assert losses == ["/p"]


def test_opaque_items_and_parts_of_our_own_pass_byte_for_byte() -> None:
    raws = [Raw(b'{"type": "web_search_call","id":"ws_1"}'), Raw(b'{"type":"output_audio", "x":1}')]
    call_output = Raw(b'{"type":"computer_call_output" ,"call_id":"c"}')
    tools = Raw(b'{"type":"additional_tools", "tools":[]}')
    items, losses = written(
        [
            Turn("developer", [Opaque(ME, "additional_tools", tools)]),
            Turn("assistant", [Opaque(ME, "web_search_call", raws[0]), Opaque(ME, "output_audio", raws[1])]),
            Turn("tool", [Opaque(ME, "computer_call_output", call_output)]),
        ]
    )
    assert (items[0], items[1], items[3]) == (tools, raws[0], call_output)
    assert b'{"type":"output_audio", "x":1}' in bytes(items[2])
    assert losses == []


def test_a_call_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(Turn("assistant", [ToolCall("c", "", "{}", "/c")]))
    assert caught.value.pointer == "/c"


# -------------------------------------------------------------------------------------------------- laws

words = st.text("ab .", min_size=1, max_size=5)
ids = st.text("abc_1", min_size=1, max_size=8)
names = st.text("abc_-", min_size=1, max_size=8)
marks = st.none() | st.builds(CacheMark, st.sampled_from([None, "30m", "12h"]))
media = st.builds(Media, st.just("base64"), st.sampled_from(["iVBOR", "AAAA"]), st.just("image/png"))
texts = st.builds(Text, words, cache=marks)
images = st.builds(
    Image, media | st.builds(Media, st.just("url"), st.just("https://a")), detail=st.sampled_from([None, "low"])
)
files = st.builds(
    File, st.builds(Media, st.just("file_id"), st.just("file-1")), filename=st.none() | words, cache=marks
)
content = st.lists(texts | images | files, max_size=3)
spoken = st.builds(Text, words) | st.builds(Refusal, words)
thoughts = st.builds(
    lambda text, item_id, value: Reasoning(text, token=Token(ME, f"{item_id}:{value}"), id=item_id), words, ids, words
)
calls = st.builds(ToolCall, ids, names, st.sampled_from(["{}", '{"a": 1}', '{"a"', "[1]"])) | st.builds(
    ToolCall, ids, names, words, custom=st.just(True)
)
results = st.builds(ToolResult, ids, content, name=st.none() | names) | st.builds(
    ToolResult, ids, content, custom=st.just(True)
)
turns = st.one_of(
    st.builds(Turn, st.sampled_from(["system", "developer", "user"]), content),
    st.builds(Turn, st.just("assistant"), st.lists(spoken | thoughts | calls, max_size=4)),
    st.builds(Turn, st.just("tool"), st.lists(results, min_size=1, max_size=3)),
)


def groups(conversation: list[Turn]) -> list[Turn]:
    """Return the normal form: tool results in a row are one group."""
    grouped: list[Turn] = []
    for turn in conversation:
        if turn.role == "tool" and grouped and grouped[-1].role == "tool":
            grouped[-1] = Turn("tool", grouped[-1].parts + turn.parts)
        else:
            grouped.append(turn)
    return grouped


@given(st.lists(turns, max_size=5))
def test_r4_what_is_written_without_a_loss_is_read_back_as_it_was(conversation: list[Turn]) -> None:
    items, losses = written(conversation, source=ME)
    again, unread = read(items)
    # A whole message must have an id, which is ours and not the conversation's.
    assert all(loss.pointer.endswith("/id") for loss in unread)
    if not losses:
        assert placeless(again) == groups(placeless(conversation))
    else:
        assert {loss.reason for loss in losses} <= {
            "joined with the assistant's turn before it",
            "the assistant says nothing in it",
        }


@given(st.lists(turns, max_size=5))
def test_r3_a_second_trip_loses_nothing_more(conversation: list[Turn]) -> None:
    once = read(written(conversation, source=ME)[0])[0]
    items, losses = written(once, source=ME)
    assert losses == []
    assert placeless(read(items)[0]) == placeless(once)


@given(st.lists(turns, max_size=4), st.lists(turns, max_size=2))
def test_r16_a_longer_history_begins_with_the_same_bytes(history: list[Turn], more: list[Turn]) -> None:
    short = written(history, source=ME)[0]
    assert written(history + more, source=ME)[0][: len(short)] == short
