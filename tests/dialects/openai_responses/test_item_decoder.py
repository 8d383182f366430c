from __future__ import annotations

from typing import Any

import msgspec
import pytest

from trio_gateway.dialects.conversation import (
    CacheMark,
    File,
    Image,
    Losses,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Token,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.openai_responses import decode_request
from trio_gateway.dialects.openai_responses.item_decoder import ItemReader
from trio_gateway.errors import InvalidRequest

ME = "openai_responses"


def read(*items: Any) -> tuple[list[Turn], Losses]:
    reader = ItemReader([])
    for index, item in enumerate(items):
        reader.read(msgspec.Raw(msgspec.json.encode(item)), f"/input/{index}")
    return reader.turns, reader.losses


def pointers(losses: Losses) -> list[str]:
    return [loss.pointer for loss in losses]


def message(role: str, *parts: Any, **more: Any) -> Any:
    return {"type": "message", "role": role, "content": list(parts), **more}


def said(text: str, **more: Any) -> Any:
    return message("assistant", {"type": "output_text", "text": text, "annotations": []}, **more)


def call(call_id: str, **more: Any) -> Any:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": '{"a": 1}', **more}


def output(call_id: str, content: Any = "ok", **more: Any) -> Any:
    return {"type": "function_call_output", "call_id": call_id, "output": content, **more}


def test_a_message_without_a_type_is_one() -> None:
    turns, losses = read({"role": "user", "content": "hi"})
    assert turns == [Turn("user", [Text("hi", "/input/0/content")], "/input/0")]
    assert losses == []


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_roles_keep_their_places(role: str) -> None:
    turns, _ = read(message("user"), message(role), message("user"))
    assert [turn.role for turn in turns] == ["user", role, "user"]


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(message("critic"))
    assert caught.value.pointer == "/input/0/role"


def test_one_turn_of_the_assistant_holds_its_parts_in_order() -> None:
    turns, losses = read(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gA",
        },
        said("I look."),
        call("call_1", id="fc_1", status="completed"),
        call("call_2"),
        output("call_1"),
        output("call_2"),
        said("Done."),
    )
    assert [turn.role for turn in turns] == ["assistant", "tool", "assistant"]
    assert turns[0].parts == [
        Reasoning("hm", "/input/0", Token(ME, "rs_1:gA"), id="rs_1"),
        Text("I look.", "/input/1/content/0"),
        ToolCall("call_1", "f", '{"a": 1}', "/input/2", item_id="fc_1"),
        ToolCall("call_2", "f", '{"a": 1}', "/input/3"),
    ]
    assert turns[1].at == "/input/4"
    assert losses == []


def test_two_messages_in_a_row_are_two_turns() -> None:
    turns, _ = read(said("a"), said("b"))
    assert [len(turn.parts) for turn in turns] == [1, 1]


def test_a_message_of_another_phase_begins_a_turn() -> None:
    turns, losses = read(call("c"), said("x", phase="commentary"), call("d"), said("y", phase="final_answer"))
    assert [(turn.phase, len(turn.parts)) for turn in turns] == [("commentary", 3), ("final_answer", 1)]
    assert losses == []


def test_each_message_of_one_phase_says_so() -> None:
    items = [said("x", phase="commentary"), call("d"), said("y", phase="commentary")]
    conversation = decode_request(msgspec.json.encode({"model": "m", "input": items}))
    assert [(turn.phase, turn.phase_pointer) for turn in conversation.turns] == [("commentary", "/input/0/phase")]
    assert conversation.joined == {"/input/0/phase": ["/input/2/phase"]}


def test_a_phase_of_another_side_is_a_loss() -> None:
    assert pointers(read(message("user", phase="commentary"))[1]) == ["/input/0/phase"]


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_a_call_without_arguments_has_an_empty_object(arguments: str) -> None:
    turns, losses = read(call("c", arguments=arguments))
    assert turns[0].parts == [ToolCall("c", "f", "{}", "/input/0")]
    assert losses == []


@pytest.mark.parametrize(
    "arguments", ['{"a": 1, "a":2}', "[1]", '{"a"', '{}{"a":1}', "null", '{"n": 1.0, "m": 12345678901234567890}']
)
def test_arguments_stay_the_text_they_were(arguments: str) -> None:
    part = read(call("c", arguments=arguments))[0][0].parts[0]
    assert isinstance(part, ToolCall)
    assert part.arguments == arguments


def test_custom_tools_take_and_give_text() -> None:
    turns, losses = read(
        {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "", "id": "ctc_1"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    )
    assert turns[0].parts == [ToolCall("c", "sh", "", "/input/0", custom=True, item_id="ctc_1")]
    assert turns[1].parts == [ToolResult("c", [Text("done", "/input/1/output")], "/input/1", custom=True)]
    assert losses == []


def test_a_result_holds_images_and_files() -> None:
    content = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBOR", "detail": "auto"},
        {"type": "input_file", "file_url": "https://a/b.pdf", "filename": "b.pdf", "detail": "auto"},
    ]
    turns, losses = read(output("c", content, name="f"))
    at = "/input/0/output"
    assert turns[0].parts == [
        ToolResult(
            "c",
            [
                Text("see", f"{at}/0"),
                Image(Media("base64", "iVBOR", "image/png"), f"{at}/1"),
                File(Media("url", "https://a/b.pdf"), f"{at}/2", "b.pdf"),
            ],
            "/input/0",
            "f",
        )
    ]
    assert losses == []


def test_an_empty_result_has_no_parts() -> None:
    assert read(output("c", ""))[0][0].parts == [ToolResult("c", [], "/input/0")]


@pytest.mark.parametrize("item", [call(""), output(""), {"type": "function_call_output", "output": "x"}])
def test_a_call_and_its_result_need_their_call_id(item: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(item)
    assert caught.value.pointer == "/input/0/call_id"


def test_ids_and_statuses_that_go_nowhere_are_losses() -> None:
    _, losses = read(
        said("a", id="msg_1", status="incomplete"),
        call("c", caller={"type": "direct"}, status="in_progress"),
        output("c", id="fco_1"),
    )
    assert pointers(losses) == [
        "/input/0/id",
        "/input/0/status",
        "/input/1/caller",
        "/input/1/status",
        "/input/2/id",
    ]


# ------------------------------------------------------------------------------------------- reasoning


def test_calls_are_of_a_namespace_and_their_outputs_of_the_same() -> None:
    custom = {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x", "namespace": "crm"}
    turns, losses = read(
        call("c", namespace="crm"),
        custom,
        call("e", namespace=""),
        output("c", name="f", namespace="crm"),
        output("c", name="f"),
        output("c", namespace="crm"),
        output("e", name="f"),
    )
    assert losses == []
    assert turns[0].parts == [
        ToolCall("c", "f", '{"a": 1}', "/input/0", namespace="crm"),
        ToolCall("d", "g", "x", "/input/1", custom=True, namespace="crm"),
        ToolCall("e", "f", '{"a": 1}', "/input/2"),
    ]
    told = [(part.name, part.namespace) for part in turns[1].parts if isinstance(part, ToolResult)]
    assert told == [("f", "crm"), ("f", "crm"), (None, None), ("f", None)]


def test_an_output_of_another_namespace_than_its_calls_says_something_that_is_lost() -> None:
    turns, losses = read(
        call("c", namespace="crm"),
        output("c", name="f", namespace="erp"),
        output("nobodys", namespace="crm"),
        call("c"),
        output("c", namespace="crm"),
        output("c", name="other"),
    )
    assert pointers(losses) == ["/input/1/namespace", "/input/2/namespace", "/input/4/namespace"]
    results = [part for turn in turns for part in turn.parts if isinstance(part, ToolResult)]
    assert [(part.name, part.namespace) for part in results] == [
        ("f", None),
        (None, None),
        (None, None),
        ("other", None),
    ]


def test_reasoning_without_encryption_has_no_token() -> None:
    turns, losses = read(
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]}
    )
    assert turns[0].parts == [Reasoning("t", "/input/0", id="rs_1")]
    assert losses == []


def test_paragraphs_of_a_thought_are_joined_with_a_loss() -> None:
    summary = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    turns, losses = read({"type": "reasoning", "id": "rs_1", "summary": summary})
    assert turns[0].parts == [Reasoning("a\n\nb", "/input/0", id="rs_1")]
    assert pointers(losses) == ["/input/0"]


def test_a_foreign_signature_is_recognised() -> None:
    turns, _ = read(
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "trio:anthropic_messages:sig"}
    )
    assert turns[0].parts == [Reasoning("", "/input/0", Token("anthropic_messages", "sig"), id="rs_1")]


def test_redacted_thinking_is_told_from_thinking_that_is_not_displayed() -> None:
    encrypted = "trio:anthropic_messages:redacted:data"
    turns, _ = read({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted})
    assert turns[0].parts == [Reasoning("", "/input/0", Token("anthropic_messages", "data"), redacted=True, id="rs_1")]


def test_a_carried_token_goes_back_to_the_part_before_it() -> None:
    carrier = {"type": "reasoning", "id": "rs_x", "summary": [], "encrypted_content": "trio:gemini:previous:sig"}
    turns, losses = read(call("c1"), carrier, call("c2"))
    token = Token("gemini", "sig")
    assert [part.token for part in turns[0].parts if isinstance(part, ToolCall)] == [token, None]
    assert len(turns[0].parts) == 2
    assert losses == []


def test_a_carried_token_that_lost_its_part_is_a_loss() -> None:
    carrier = {"type": "reasoning", "id": "rs_x", "summary": [], "encrypted_content": "trio:gemini:previous:sig"}
    turns, losses = read(message("user"), carrier)
    assert [turn.role for turn in turns] == ["user"]
    assert pointers(losses) == ["/input/1"]


# ---------------------------------------------------------------------------------------------- opaque


@pytest.mark.parametrize(
    ("tag", "role"),
    [
        ("web_search_call", "assistant"),
        ("compaction", "assistant"),
        ("something_new", "assistant"),
        ("computer_call_output", "tool"),
        ("mcp_approval_response", "tool"),
        ("additional_tools", "developer"),
    ],
)
def test_items_of_other_types_stay_whole_on_the_side_that_speaks_there(tag: str, role: str) -> None:
    # Members by the names of known ones, and of other types, are nobody's business.
    item = {"type": tag, "output": {"a": 1.0}, "content": 3, "status": ["x"]}
    turns, losses = read(item)
    assert turns == [Turn(role, [Opaque(ME, tag, msgspec.Raw(msgspec.json.encode(item)), "/input/0")], "/input/0")]  # type: ignore[arg-type]  # a test's word
    assert losses == []


def test_parts_of_other_types_stay_whole() -> None:
    part = {"type": "input_video", "text": {"not": "text"}}
    turns, losses = read(message("user", part))
    assert turns[0].parts == [Opaque(ME, "input_video", msgspec.Raw(msgspec.json.encode(part)), "/input/0/content/0")]
    assert losses == []


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_a_reference_to_a_stored_item_is_refused_with_what_to_do(item: Any) -> None:
    with pytest.raises(InvalidRequest, match="send the item itself") as caught:
        read(message("user"), item)
    assert caught.value.pointer == "/input/1"


def test_an_item_without_anything_to_tell_it_by_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({"content": "x"})
    assert caught.value.pointer == "/input/0/type"


# ----------------------------------------------------------------------------------------------- parts


def test_empty_texts_are_no_parts() -> None:
    turns, losses = read(message("user", {"type": "input_text", "text": ""}), {"role": "user", "content": ""})
    assert [turn.parts for turn in turns] == [[], []]
    assert losses == []


def test_annotations_and_refusals_are_read() -> None:
    annotation = {"type": "url_citation", "url": "https://a", "title": "T", "start_index": 0, "end_index": 1}
    turns, losses = read(
        message(
            "assistant",
            {"type": "output_text", "text": "a", "annotations": [annotation], "logprobs": []},
            {"type": "refusal", "refusal": "no"},
        )
    )
    text, refusal = turns[0].parts
    assert isinstance(text, Text)
    assert [msgspec.json.decode(raw) for raw in text.citations or ()] == [annotation]
    assert refusal == Refusal("no", "/input/0/content/1")
    assert losses == []


def test_what_a_part_holds_besides_is_a_loss() -> None:
    _, losses = read(
        message(
            "user",
            {"type": "input_text", "text": "a", "foo": 1, "annotations": [], "image_url": None},
            {"type": "output_text", "text": "a", "logprobs": [{"token": "a", "logprob": 0}]},
            {"type": "input_image", "image_url": "https://a", "file_id": "file-1"},
            {"type": "input_file", "file_id": "file-1", "file_url": "https://a", "detail": "high"},
        )
    )
    at = "/input/0/content"
    assert pointers(losses) == [
        f"{at}/0/foo",
        f"{at}/1/logprobs",
        f"{at}/2/file_id",
        f"{at}/3/detail",
        f"{at}/3/file_id",
    ]


def test_cache_breakpoints_are_marks() -> None:
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    turns, losses = read(message("user", part))
    assert turns[0].parts == [
        Text("a", "/input/0/content/0", CacheMark("12h", "/input/0/content/0/prompt_cache_breakpoint"))
    ]
    assert losses == []


def test_a_breakpoint_of_an_unknown_mode_is_a_loss() -> None:
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "magic"}}
    assert pointers(read(message("user", part))[1]) == ["/input/0/content/0/prompt_cache_breakpoint/mode"]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "input_text"}, "text"),
        ({"type": "input_image"}, "image_url"),
        ({"type": "input_file"}, "file_data"),
        ({"type": "refusal"}, "refusal"),
        ({"type": "input_text", "text": 3}, "text"),
        ({"type": "input_image", "image_url": {"url": "https://a"}}, "image_url"),
    ],
)
def test_a_part_without_what_it_must_have_is_refused(part: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(message("user", part))
    assert caught.value.pointer == f"/input/0/content/0/{field}"


def test_a_file_of_plain_text_is_text() -> None:
    turns, losses = read(
        message("user", {"type": "input_file", "file_data": "data:text/plain;base64,YQ==", "filename": "a.txt"})
    )
    assert turns[0].parts == [File(Media("text", "a", "text/plain"), "/input/0/content/0", "a.txt")]
    assert losses == []


def test_a_file_without_a_data_url_is_base64() -> None:
    turns, _ = read(message("user", {"type": "input_file", "file_data": "JVBERi0=", "filename": "a.pdf"}))
    assert turns[0].parts == [File(Media("base64", "JVBERi0=", "application/pdf"), "/input/0/content/0", "a.pdf")]
