"""A coding agent that offers each MCP server as a namespace of tools, as Codex does, with every foreign provider."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

Houses = Callable[..., AbstractAsyncContextManager[Any]]
PROVIDERS = {"openai": "gpt-test", "anthropic": "claude-test", "gemini": "gemini-test", "ollama": "llama-test"}
CHAT: Any = {"openai": {"provider": "openai_compatible"}}

PATH = {
    "type": "object",
    "properties": {"path": {"type": "string"}},
    "required": ["path"],
}
READ = {"type": "function", "name": "read", "description": "Read a file.", "strict": False, "parameters": PATH}
PATCH = {"type": "custom", "name": "patch", "description": "Apply a patch."}
SHELL = {"type": "function", "name": "shell", "description": "Run it.", "strict": False, "parameters": PATH}
FILES = {"type": "namespace", "name": "mcp__files", "description": "A server of files.", "tools": [READ, PATCH]}
DOCS = {"type": "namespace", "name": "mcp__docs", "description": "A server of documents.", "tools": [READ]}
FLAT = ["shell", "mcp__files__read", "mcp__files__patch", "mcp__docs__read"]

pytestmark = [pytest.mark.parametrize("provider", PROVIDERS), pytest.mark.parametrize("stream", [False, True])]


def request(provider: str, items: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "model": PROVIDERS[provider],
        "instructions": "You are a coding agent.",
        "input": items,
        "tools": [SHELL, FILES, DOCS, {"type": "web_search"}],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        **more,
    }


def user(text: str) -> Any:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def create(running: Any, body: dict[str, Any], stream: bool) -> list[Any]:
    """Return the items of an answer."""
    reply = await running.post("/v1/responses", {**body, "stream": stream})
    assert reply.status == 200, reply.body
    if not stream:
        output: list[Any] = reply.json()["output"]
        return output
    datas = [line[6:] for line in reply.body.split(b"\n") if line.startswith(b"data: ")]
    events = [msgspec.json.decode(data) for data in datas]
    whole: list[Any] = events[-1]["response"]["output"]
    begun = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert named(begun) == named(whole)
    return whole


def named(items: list[Any]) -> list[Any]:
    return [(item.get("namespace"), item["name"]) for item in items if item["type"].endswith("_call")]


async def test_tools_of_mcp_servers_are_called_answered_and_called_again(
    house: Houses, provider: str, stream: bool
) -> None:
    patch = "mcp__files__patch" + ("-x0_" if provider in ("anthropic", "gemini") else "")
    calls = [
        ("mcp__files__read", '{"path":"a.txt"}'),
        ("mcp__docs__read", '{"path":"b.txt"}'),
        (patch, '"+x"' if provider == "openai" else '{"input":"+x"}'),
        ("shell", '{"path":"c.txt"}'),
    ]
    if provider == "ollama":  # which has functions only
        calls.pop(2)
    asked = user("Look. [sim: " + " ".join(f"tool={name} args={args}" for name, args in calls) + "]")
    async with house(channels=CHAT) as running:
        called = await create(running, request(provider, [asked]), stream)
        offered = running.simulator.observer.requests[-1].body
        assert all(f'"{name}' in offered for name in FLAT)
        own = [("mcp__files", "read"), ("mcp__docs", "read"), ("mcp__files", "patch"), (None, "shell")]
        assert named(called) == [one for one in own if provider != "ollama" or one[1] != "patch"]
        results = [
            {"type": item["type"] + "_output", "call_id": item["call_id"], "output": f"result {place}"}
            for place, item in enumerate(item for item in called if item["type"].endswith("_call"))
        ]
        answered = await create(running, request(provider, [asked, *called, *results]), stream)
        sent = running.simulator.observer.requests[-1].body
        assert f"result {len(results) - 1}" in answered[-1]["content"][0]["text"]
        again = 2 if provider in ("gemini", "ollama") else 1  # whose results say the name too
        assert [sent.count(f'"{name}"') - offered.count(f'"{name}"') for name, _ in calls] == [again] * len(calls)
        assert '"namespace"' not in sent


async def test_a_tool_of_a_namespace_can_be_chosen(house: Houses, provider: str, stream: bool) -> None:
    choice = {"type": "function", "name": "read", "namespace": "mcp__docs"}
    async with house(channels=CHAT) as running:
        body = request(provider, [user("Look.")], tool_choice=choice)
        called = await create(running, body, stream)
        assert named(called) == ([] if provider == "ollama" else [("mcp__docs", "read")])


async def test_only_what_is_left_out_is_a_loss(house: Houses, provider: str, stream: bool) -> None:
    async with house(channels=CHAT) as running:
        body = request(provider, [user("Look.")], client_metadata={"a": "b"}, stream=stream)
        reply = await running.post("/v1/responses", body)
        lost = {"client_metadata", "tools.1.description", "tools.2.description", "tools.3"}
        if provider in ("gemini", "ollama"):
            lost.add("tools.1.tools.1")  # as any tool that takes free text
        assert set(reply.headers["x-gateway-loss"].split(", ")) == lost
