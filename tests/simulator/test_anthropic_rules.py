"""What the simulated Anthropic refuses, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from trio_gateway.simulator.anthropic_rules import check_messages
from trio_gateway.simulator.script import Rejected

OLD, NEW = "2023-06-01", "2026-10-21"
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def request(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 10, "messages": list(messages) or [user("hi")], **more}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if len(content) == 1 and isinstance(content[0], str) else [*content]}


def assistant(*content: Any) -> dict[str, Any]:
    return user(*content) | {"role": "assistant"}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def call(name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "f", "input": {}}


def result(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, "content": "ok", **more}


def refusal(body: dict[str, Any], version: str = NEW, *, beta: bool = False) -> str:
    with pytest.raises(Rejected) as caught:
        check_messages(body, version, beta=beta)
    assert caught.value.status == 400
    return caught.value.message


def test_threads_are_refused_by_the_code_that_clients_know() -> None:
    with pytest.raises(Rejected) as caught:
        check_messages(request(thread={"type": "create"}), NEW, beta=True)
    assert (caught.value.status, caught.value.code) == (400, "thread_unsupported_request")


REFUSED = {
    "an unknown field": (request(foo=1), "foo: Extra inputs are not permitted"),
    "no max_tokens": ({"model": "m", "messages": [user("hi")]}, "max_tokens: Field required"),
    "sampling": (request(temperature=1.0), "temperature: not supported"),
    "an empty text block": (request(user(text(""))), "text content blocks must be non-empty"),
    "a blank text block": (request(user(text(" \n"))), "non-whitespace"),
    "an empty message": (request(user("")), "must have non-empty content"),
    "an unknown role": (request({"role": "tool", "content": "x"}), "messages.0.role"),
    "a field of a message": (request(user("x") | {"name": "n"}), "messages.0.name: Extra inputs"),
    "a field of a block": (request(user(text("x", foo=1))), "messages.0.content.0.text.foo: Extra inputs"),
    "an unknown block": (request(user({"type": "image_url"})), "Input tag 'image_url'"),
    "assistant first": (request(assistant("x"), user("y")), "first message"),
    "trailing blanks of a prefill": (request(user("x"), assistant("y ")), "trailing whitespace"),
    "a call without its result": (request(user("x"), assistant(call("a")), tools=[TOOL]), "without `tool_result`"),
    "one result of two": (
        request(user("x"), assistant(call("a"), call("b")), user(result("a")), tools=[TOOL]),
        "immediately after: b.",
    ),
    "a result without its call": (
        request(user("x"), assistant(call("a")), user(result("a"), result("z")), tools=[TOOL]),
        "unexpected `tool_use_id`",
    ),
    "a result in the first message": (request(user(result("a")), tools=[TOOL]), "unexpected `tool_use_id`"),
    "two results of one call": (
        request(user("x"), assistant(call("a")), user(result("a"), result("a")), tools=[TOOL]),
        "single result",
    ),
    "text before the results": (
        request(user("x"), assistant(call("a")), user(text("t"), result("a")), tools=[TOOL]),
        "must come before",
    ),
    "calls of one id": (request(user("x"), assistant(call("a"), call("a")), tools=[TOOL]), "must be unique"),
    "a call's id": (request(user("x"), assistant(call("a.b")), tools=[TOOL]), "tool_use.id: String should match"),
    "a call's name": (request(user("x"), assistant(call("a") | {"name": "a b"}), tools=[TOOL]), "tool_use.name"),
    "a call's input as text": (request(user("x"), assistant(call("a") | {"input": "{}"}), tools=[TOOL]), "dictionary"),
    "calls without tools": (request(user("x"), assistant(call("a")), user(result("a"))), "must define tools"),
    "a call in a user message": (request(user(call("a")), tools=[TOOL]), "not permitted in `user`"),
    "a tool's name": (request(tools=[TOOL | {"name": "a/b"}]), "tools.0.name"),
    "a tool's field": (request(tools=[TOOL | {"parameters": {}}]), "tools.0.custom.parameters: Extra inputs"),
    "a schema without a type": (request(tools=[TOOL | {"input_schema": {}}]), "input_schema.type"),
    "tools of one name": (request(tools=[TOOL, TOOL]), "unique"),
    "a choice as text": (request(tools=[TOOL], tool_choice="auto"), "tool_choice"),
    "a choice of an unknown tool": (request(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}), "not found"),
    "a choice without tools": (request(tool_choice={"type": "auto"}), "while providing tools"),
    "parallel off outside the choice": (
        request(tools=[TOOL], tool_choice={"type": "none", "disable_parallel_tool_use": True}),
        "Extra inputs",
    ),
    "too small a budget": (request(thinking={"type": "enabled", "budget_tokens": 100}), "budget_tokens"),
    "a budget above max_tokens": (request(thinking={"type": "enabled", "budget_tokens": 2000}), "max_tokens"),
    "a blank stop": (request(stop_sequences=[" "]), "stop_sequences"),
    "metadata": (request(metadata={"a": "b"}), "metadata.a: Extra inputs"),
    "an open object": (
        request(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        "additionalProperties",
    ),
    "a document said by the assistant": (
        request(user("x"), assistant({"type": "document", "source": {}}), user("y")),
        "`document` blocks",
    ),
    "citations of the user": (request(user(text("x", citations=[{}]))), "citations"),
    "an image that is no base64": (
        request(user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "data:x"}})),
        "Invalid base64",
    ),
    "an image of another type": (
        request(user({"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "AAAA"}})),
        "media_type",
    ),
    "an unsigned thought": (
        request(user("x"), assistant({"type": "thinking", "thinking": "t"}), user("y")),
        "signature",
    ),
    "a thought that nobody signed": (
        request(user("x"), assistant({"type": "thinking", "thinking": "t", "signature": ""}), user("y")),
        "Invalid `signature`",
    ),
    "a thought that another provider signed": (
        request(user("x"), assistant({"type": "thinking", "thinking": "t", "signature": "trio:gemini:A="}), user("y")),
        "Invalid `signature`",
    ),
    "a hidden thought of another provider": (
        request(user("x"), assistant({"type": "redacted_thinking", "data": "trio:gemini:A="}), user("y")),
        "Invalid `data`",
    ),
    "a budget to think within a loop that began without a thought": (
        request(
            user("x"),
            assistant(call("a")),
            user(result("a")),
            tools=[TOOL],
            max_tokens=3000,
            thinking={"type": "enabled", "budget_tokens": 2000},
        ),
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    "a schema beside a prefill": (
        request(user("x"), assistant("{"), output_config={"format": {"type": "json_schema", "schema": {}}}),
        "prefilled",
    ),
    "five cache markers": (
        request(user(*(text("x", cache_control={"type": "ephemeral"}) for _ in range(5)))),
        "maximum of 4",
    ),
    "a system message at the start": (request({"role": "system", "content": "s"}, user("x")), "must follow a user"),
    "an empty system block": (request(system=[text("")]), "non-empty"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_provider_refuses_is_refused(body: dict[str, Any], message: str) -> None:
    assert message in refusal(body)


ALLOWED = {
    "the least": request(),
    "a prefill": request(user("x"), assistant("y")),
    "an empty last assistant message": request(user("x"), assistant()),
    "results split over messages": request(
        user("x"), assistant(call("a"), call("b")), user(result("a")), user(result("b"), text("and?")), tools=[TOOL]
    ),
    "a result without content": request(
        user("x"), assistant(call("a")), user({"type": "tool_result", "tool_use_id": "a"}), tools=[TOOL]
    ),
    "a system message in the middle": request(user("x"), {"role": "system", "content": "s"}, assistant("y"), user("z")),
    "adaptive thinking with effort": request(thinking={"type": "adaptive"}, output_config={"effort": "high"}),
    "an omitted thought": request(
        user("x"), assistant({"type": "thinking", "thinking": "", "signature": "s"}, text("a")), user("y")
    ),
    "a budget to think within a loop that began with a thought": request(
        user("x"),
        assistant({"type": "redacted_thinking", "data": "d"}, call("a")),
        user(result("a")),
        tools=[TOOL],
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 2000},
    ),
    "a budget to think after a loop has ended": request(
        user("x"),
        assistant(call("a")),
        user(result("a")),
        assistant("y"),
        user("z"),
        tools=[TOOL],
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 2000},
    ),
    "adaptive thinking within a loop that began without a thought": request(
        user("x"), assistant(call("a")), user(result("a")), tools=[TOOL], thinking={"type": "adaptive"}
    ),
    "blocks of the vendor's own tools": request(
        user("x"), assistant({"type": "server_tool_use", "id": "s"}, {"type": "web_search_tool_result"}), user("y")
    ),
}


@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED)
def test_what_the_provider_takes_is_taken(body: dict[str, Any]) -> None:
    check_messages(body, NEW, beta=False)


def test_the_older_version_takes_sampling_in_its_range() -> None:
    check_messages(request(temperature=0.3, top_p=0.5, top_k=4), OLD, beta=False)
    assert "temperature" in refusal(request(temperature=1.5), OLD)


def test_beta_features_may_bring_unknown_fields() -> None:
    check_messages(request(context_management={}), NEW, beta=True)


def test_counting_needs_no_max_tokens() -> None:
    check_messages({"model": "m", "messages": [user("hi")]}, NEW, beta=False, counting=True)
