"""What the simulated OpenAI refuses, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from trio_gateway.simulator.openai_rules import check_chat
from trio_gateway.simulator.script import Rejected

TOOL = {"type": "function", "function": {"name": "f"}}


def request(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [user("hi")], **more}


def user(content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def calls(*names: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return user(None, "assistant", tool_calls=[{"id": one, "type": "function", "function": function} for one in names])


def result(name: str, content: Any = "ok") -> dict[str, Any]:
    return user(content, "tool", tool_call_id=name)


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
REFUSED = {
    "an unknown field": (request(max_output_tokens=1), "Unrecognized request argument supplied: max_output_tokens"),
    "an unknown role": (request(user("x", "model")), "Invalid value: 'model'"),
    "a message's unknown field": (
        request(user("x", cache_control={})),
        "Unknown parameter: 'messages[0].cache_control'",
    ),
    "null content": (request(user(None)), "expected a string, got null"),
    "an object as content": (request(user({})), "expected a string or an array"),
    "no parts": (request(user([])), "empty array"),
    "a foreign part": (request(user([{"type": "image"}])), "Invalid value: 'image'"),
    "an image in a tool's result": (request(user("x"), calls("a"), result("a", [IMAGE])), "Invalid value: 'image_url'"),
    "an image that is bare base64": (request(user([IMAGE | {"image_url": {"url": "AAAA"}}])), "Invalid image"),
    "a part without text": (request(user([{"type": "text"}])), "Missing required parameter"),
    "a call without its result": (request(user("x"), calls("a", "b"), result("a")), "response messages: b"),
    "a call answered too late": (request(user("x"), calls("a"), user("y"), result("a")), "response messages: a"),
    "a result without its call": (request(user("x"), result("a")), "must be a response"),
    "two results of one call": (request(user("x"), calls("a"), result("a"), result("a")), "must be a response"),
    "arguments as an object": (
        request(
            user(
                None,
                "assistant",
                tool_calls=[{"id": "a", "type": "function", "function": {"name": "f", "arguments": {}}}],
            )
        ),
        "expected a string",
    ),
    "no calls": (request(user("x", "assistant", tool_calls=[])), "empty array"),
    "a tool's name": (request(tools=[{"type": "function", "function": {"name": "a.b"}}]), "does not match pattern"),
    "a flat tool": (request(tools=[{"type": "function", "name": "f"}]), "tools[0].function"),
    "a tool of no object": (
        request(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]),
        "Invalid schema",
    ),
    "no tools": (request(tools=[]), "empty array"),
    "a choice without tools": (request(tool_choice="auto"), "only allowed when 'tools'"),
    "a foreign choice": (request(tools=[TOOL], tool_choice="any"), "Supported values are"),
    "a choice of an unknown tool": (
        request(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}),
        "not found",
    ),
    "a flat choice": (request(tools=[TOOL], tool_choice={"type": "function", "name": "f"}), "Invalid value"),
    "heat": (request(temperature=2.5), "temperature"),
    "five stops": (request(stop=["a"] * 5), "stop"),
    "no tokens": (request(max_completion_tokens=0), "max_completion_tokens"),
    "an unknown effort": (request(reasoning_effort="huge"), "huge"),
    "usage without a stream": (request(stream_options={"include_usage": True}), "stream_options"),
    "a format without a name": (request(response_format={"type": "json_schema", "json_schema": {}}), "name"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_provider_refuses_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_chat(body)
    assert caught.value.status == 400
    assert message in caught.value.message


ALLOWED = {
    "the least": request(),
    "results in another order": request(user("x"), calls("a", "b"), result("b"), result("a"), user("and?")),
    "nulls": request(temperature=None, tools=None, tool_choice=None, stop=None, response_format=None),
    "parts": request(user([{"type": "text", "text": ""}, IMAGE])),
    "the last message an assistant's": request(user("x"), user("y", "assistant")),
    "a named choice": request(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}),
    "replayed reasoning": request(user("x"), user("y", "assistant", reasoning_content="z"), user("w")),
}


@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED)
def test_what_the_provider_takes_is_taken(body: dict[str, Any]) -> None:
    check_chat(body)
