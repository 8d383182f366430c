from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects import DIALECTS, dialect
from trio_gateway.dialects.conversation import (
    Answer,
    Choice,
    Conversation,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.events import AnswerEvent, Delta, Open
from trio_gateway.dialects.names import (
    CUSTOM_MARK,
    OwnName,
    carry_name,
    fit_names,
    recognise_name,
    rename_answer,
    rename_conversation,
    rename_events,
)
from trio_gateway.errors import InvalidRequest

LEGAL = {
    "openai_chat": r"[a-zA-Z0-9_-]{1,64}",
    "openai_responses": r"[a-zA-Z0-9_-]{1,128}",
    "anthropic_messages": r"[a-zA-Z0-9_-]{1,128}",
    "gemini": r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
    "ollama": r"(?s).+",
}
every_target = pytest.mark.parametrize("target", DIALECTS)

tricky = st.text(st.sampled_from("ab_x0F./:-é2E5D"), min_size=1, max_size=12)
long = st.tuples(tricky, st.sampled_from((58, 64, 65, 120, 128, 129, 600))).map(
    lambda drawn: drawn[0].ljust(drawn[1], "n")
)
names = tricky | long | st.text(min_size=1, max_size=12) | tricky.map(lambda name: name + CUSTOM_MARK)
named = st.lists(st.tuples(names, st.booleans()), max_size=6, unique_by=lambda tool: tool[0])


def asking(
    tools: Sequence[tuple[str, bool]], calls: Sequence[tuple[str, bool]] = (), choice: ToolChoice | None = None
) -> Conversation:
    parts = [ToolCall(f"c{place}", name, "{}", custom=custom) for place, (name, custom) in enumerate(calls)]
    offered = [Tool(name, "custom" if custom else "function") for name, custom in tools]
    turns = [Turn("user", [Text("hi")]), Turn("assistant", list(parts))]
    return Conversation(source="x", model="m", turns=turns, tools=offered, tool_choice=choice)


def wire_names(conversation: Conversation, target: str) -> list[str]:
    """Return the names of tools and calls as the target sees them."""
    marks = target in ("anthropic_messages", "gemini")
    tools = [(tool.name, tool.kind == "custom") for tool in conversation.tools]
    calls = [(part.name, part.custom) for part in conversation.turns[1].parts if isinstance(part, ToolCall)]
    return [name + CUSTOM_MARK * (marks and custom) for name, custom in tools + calls]


@every_target
@given(named, named)
@example([("f-x0_", False), ("f", True), ("f_x2D_x0_", False)], [("f_x2D_x0_", False)])
@example([("n" * 128, True), ("n" * 128 + "m", True)], [("n" * 126, False), ("n" * 64, True)])
@example([("a.b", False), ("a_x2E_b", False)], [])
@example([("a.b", False)], [("a_x2E_b", False)])
def test_names_are_legal_one_of_a_kind_and_come_back(
    target: str, tools: list[tuple[str, bool]], calls: list[tuple[str, bool]]
) -> None:
    conversation = asking(tools, calls)
    before = msgspec.json.encode(conversation)
    fitted, table = fit_names(conversation, dialect(target).TOOL_NAMES)
    written = wire_names(fitted, target)
    assert all(re.fullmatch(LEGAL[target], name) for name in written)
    own = wire_names(conversation, "ollama")
    bare = wire_names(fitted, "ollama")
    assert len(set(zip(own, bare, strict=True))) == len(set(own)) == len(set(bare))
    assert rename_conversation(fitted, table or {}) == conversation
    assert msgspec.json.encode(conversation) == before
    assert fit_names(conversation, dialect(target).TOOL_NAMES) == (fitted, table)
    if target in ("anthropic_messages", "gemini"):
        told_apart = [(tool.name, tool.kind == "custom") for tool in fitted.tools]
        assert [recognise_name(name) for name in written[: len(tools)]] == told_apart


@every_target
@given(named, named)
def test_a_name_that_is_legal_and_nobody_elses_stays(
    target: str, tools: list[tuple[str, bool]], calls: list[tuple[str, bool]]
) -> None:
    conversation = asking(tools, calls)
    _, table = fit_names(conversation, dialect(target).TOOL_NAMES)
    marks = target in ("anthropic_messages", "gemini")
    for name, _ in (table or {}).values():
        is_offered = name in [tool.name for tool in conversation.tools]
        is_custom = (name, True) in tools + calls
        if re.fullmatch(LEGAL[target], name + CUSTOM_MARK * (marks and is_custom)):
            assert (marks and name.endswith(CUSTOM_MARK)) or (not is_offered and name in (table or {}))


@every_target
@given(named, named, named)
def test_a_longer_history_leaves_the_names_before_it(
    target: str, tools: list[tuple[str, bool]], calls: list[tuple[str, bool]], more: list[tuple[str, bool]]
) -> None:
    # The one name that may change is one that was a function's first and takes free text later, where it is so long
    # that only the mark's own characters are missing.
    short = [[(name, custom) for name, custom in some if len(name) < 60] for some in (tools, calls, more)]
    before, _ = fit_names(asking(short[0], short[1]), dialect(target).TOOL_NAMES)
    after, _ = fit_names(asking(short[0], short[1] + short[2]), dialect(target).TOOL_NAMES)
    names_before = wire_names(before, "ollama")
    assert wire_names(after, "ollama")[: len(names_before)] == names_before


@every_target
@pytest.mark.parametrize("name", ["get_weather-2", "tile_x20_y", "_x41_", "a_x5F_x2E_b", "_x", "x_y", "A" * 60])
def test_a_legal_name_is_left_as_it_is(target: str, name: str) -> None:
    conversation = asking([(name, False)], [(name, False)])
    assert fit_names(conversation, dialect(target).TOOL_NAMES) == (conversation, None)


@every_target
def test_nothing_is_made_anew_where_nothing_changes(target: str) -> None:
    conversation = asking([("f", False)], [("g", True)], ToolChoice("named", names=["f"]))
    assert fit_names(conversation, dialect(target).TOOL_NAMES)[0] is conversation


def test_misfits_are_written_as_their_numbers_and_what_is_too_long_is_cut() -> None:
    conversation = asking([("a.b/é", False), ("n" * 65, False)])
    fitted, table = fit_names(conversation, dialect("openai_chat").TOOL_NAMES)
    first, second = (tool.name for tool in fitted.tools)
    assert first == "a_x2E_b_x2F__xE9_"
    assert re.fullmatch(r"n{53}_[0-9a-f]{10}", second)
    assert table == {first: OwnName("a.b/é"), second: OwnName("n" * 65)}


def test_results_and_the_choice_go_by_the_names_of_their_tools() -> None:
    choice = ToolChoice("allowed", names=["a.b", "c"])
    conversation = asking([("a.b", False), ("c", False)], [("a.b", False)], choice)
    conversation.turns.append(Turn("tool", [ToolResult("c0", [Text("ok")], name="a.b"), ToolResult("c9", [])]))
    fitted, _ = fit_names(conversation, dialect("openai_chat").TOOL_NAMES)
    assert fitted.tool_choice == ToolChoice("allowed", names=["a_x2E_b", "c"])
    assert [part.name for part in fitted.turns[2].parts if isinstance(part, ToolResult)] == ["a_x2E_b", None]


def test_hosted_tools_and_tools_without_a_name_are_left() -> None:
    conversation = asking([("", False)])
    conversation.tools.append(Tool("web.search", "hosted"))
    assert fit_names(conversation, dialect("openai_chat").TOOL_NAMES) == (conversation, None)


def test_calls_of_an_answer_go_by_the_clients_own_names() -> None:
    table = {"a_x2E_b": OwnName("a.b"), "files__read": OwnName("read", "files")}
    named = ("a_x2E_b", "other", "files__read")
    calls = [*(ToolCall(f"c{place}", name, "{}") for place, name in enumerate(named)), Text("a_x2E_b")]
    answer = rename_answer(Answer(source="x", choices=[Choice([*calls])]), table)
    assert answer.choices[0].parts == [
        ToolCall("c0", "a.b", "{}"),
        ToolCall("c1", "other", "{}"),
        ToolCall("c2", "read", "{}", namespace="files"),
        Text("a_x2E_b"),
    ]
    events: list[AnswerEvent] = [Open(0, "call", name="a_x2E_b"), Delta(0, "a_x2E_b"), Open(1, "call", name="other")]
    in_namespace: list[AnswerEvent] = [Open(2, "custom_call", name="files__read")]
    assert rename_events(events + in_namespace, table) == [
        Open(0, "call", name="a.b"),
        *events[1:],
        Open(2, "custom_call", name="read", namespace="files"),
    ]


# ------------------------------------------------------------------------------------------- namespaces

spaces = st.none() | st.sampled_from(("files", "files__", "mcp.files", "_", "é")) | names
owned = st.lists(
    st.tuples(st.tuples(names, spaces).map(lambda own: OwnName(*own)), st.booleans()),
    max_size=6,
    unique_by=lambda tool: tool[0],
)
Owned = list[tuple[OwnName, bool]]


def asking_of(tools: Owned, calls: Sequence[tuple[OwnName, bool]] = ()) -> Conversation:
    """Return a request with those tools, and a history with those calls."""
    found = asking([(own.name, custom) for own, custom in tools], [(own.name, custom) for own, custom in calls])
    for tool, (own, _) in zip(found.tools, tools, strict=True):
        tool.namespace = own.namespace
    for part, (own, _) in zip(found.turns[1].parts, calls, strict=True):
        assert isinstance(part, ToolCall)
        part.namespace = own.namespace
    return found


def told_names(conversation: Conversation) -> list[OwnName]:
    nodes = [*conversation.tools, *(part for part in conversation.turns[1].parts if isinstance(part, ToolCall))]
    return [OwnName(node.name, node.namespace) for node in nodes]


@every_target
@given(owned, owned)
@example([(OwnName("read", "files"), False), (OwnName("files__read"), False), (OwnName("read"), False)], [])
@example([(OwnName("read", "files"), False), (OwnName("read", "files__"), True)], [(OwnName("files__read"), False)])
@example([(OwnName("b__c", "a"), False), (OwnName("c", "a__b"), False)], [])
@example([(OwnName("n" * 126, "m"), True), (OwnName("n" * 127, "m"), False)], [])
def test_tools_in_namespaces_have_names_of_their_own_and_come_back(target: str, tools: Owned, calls: Owned) -> None:
    conversation = asking_of(tools, calls)
    before = msgspec.json.encode(conversation)
    fitted, table = fit_names(conversation, dialect(target).TOOL_NAMES)
    assert all(re.fullmatch(LEGAL[target], name) for name in wire_names(fitted, target))
    own, told = told_names(conversation), told_names(fitted)
    assert len(set(zip(own, told, strict=True))) == len(set(own)) == len(set(told))
    if target == "openai_responses":
        assert [namespace for _, namespace in told] == [namespace for _, namespace in own]
    else:
        assert all(namespace is None for _, namespace in told)
    assert rename_conversation(fitted, table or {}) == conversation
    assert msgspec.json.encode(conversation) == before
    assert fit_names(conversation, dialect(target).TOOL_NAMES) == (fitted, table)


@every_target
@given(owned, owned, owned)
def test_a_longer_history_leaves_the_names_in_namespaces_before_it(
    target: str, tools: Owned, calls: Owned, more: Owned
) -> None:
    # As above: no name may be so long that it is the mark alone that it has no room for.
    short = [
        [(own, custom) for own, custom in some if len(own.name) + len(own.namespace or "") < 50]
        for some in (tools, calls, more)
    ]
    before, _ = fit_names(asking_of(short[0], short[1]), dialect(target).TOOL_NAMES)
    after, _ = fit_names(asking_of(short[0], short[1] + short[2]), dialect(target).TOOL_NAMES)
    assert told_names(after)[: len(told_names(before))] == told_names(before)


FLAT = [target for target in DIALECTS if target != "openai_responses"]


@pytest.mark.parametrize("target", FLAT)
def test_a_namespace_and_a_name_are_one_name_and_a_tool_of_that_very_name_keeps_it(target: str) -> None:
    tools = [OwnName("read", "mcp__files"), OwnName("read"), OwnName("read", "mcp__web__")]
    fitted, table = fit_names(asking_of([(own, False) for own in tools]), dialect(target).TOOL_NAMES)
    assert [tool.name for tool in fitted.tools] == ["mcp__files__read", "read", "mcp__web__read"]
    assert table == {"mcp__files__read": tools[0], "mcp__web__read": tools[2]}
    taken = [tools[0], OwnName("mcp__files__read")]
    fitted, _ = fit_names(asking_of([(own, False) for own in taken]), dialect(target).TOOL_NAMES)
    assert re.fullmatch(r"mcp__files__read_[0-9a-f]{10}", fitted.tools[0].name)
    assert fitted.tools[1].name == "mcp__files__read"


@pytest.mark.parametrize("target", FLAT)
def test_results_and_the_choice_go_by_the_one_name_too(target: str) -> None:
    conversation = asking_of([(OwnName("read", "files"), False), (OwnName("read"), False)])
    conversation.tool_choice = ToolChoice("allowed", names=["read", "read"], namespaces=[None, "files"])
    conversation.turns.append(Turn("tool", [ToolResult("c0", [], name="read", namespace="files")]))
    fitted, table = fit_names(conversation, dialect(target).TOOL_NAMES)
    assert fitted.tool_choice == ToolChoice("allowed", names=["read", "files__read"])
    assert fitted.turns[2].parts == [ToolResult("c0", [], name="files__read")]
    assert rename_conversation(fitted, table or {}) == conversation


def test_a_dialect_that_has_namespaces_is_told_them_and_gives_them_back() -> None:
    conversation = asking_of([(OwnName("a.b", "files"), False), (OwnName("read", "files"), False)])
    fitted, table = fit_names(conversation, dialect("openai_responses").TOOL_NAMES)
    assert told_names(fitted) == [("a_x2E_b", "files"), ("read", "files")]
    called: list[AnswerEvent] = [Open(0, "call", name="a_x2E_b", namespace="files")]
    assert rename_events(called, table or {}) == [Open(0, "call", name="a.b", namespace="files")]


# ------------------------------------------------------------------------------------------------ marks


@given(names, st.booleans())
def test_a_mark_says_that_a_tool_takes_free_text(name: str, custom: bool) -> None:
    if custom or not name.endswith(CUSTOM_MARK):
        assert recognise_name(carry_name(name, "", custom)) == (name, custom)


@given(names)
@example(CUSTOM_MARK)
def test_any_name_is_written_as_it_was_read(name: str) -> None:
    assert carry_name(recognise_name(name)[0], "", recognise_name(name)[1]) == name


def test_no_name_is_refused_with_its_pointer() -> None:
    with pytest.raises(InvalidRequest) as caught:
        carry_name("", "/tools/0")
    assert caught.value.pointer == "/tools/0"
