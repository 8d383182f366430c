"""What every vendor's own Python client is asked, and what all of them see: one picture, one weather, one forecast."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import msgspec
import trio

C = TypeVar("C")

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

# What a tool takes, and what a structured answer must be.
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORECAST = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
# The tool in the words of Chat, which are Ollama's too.
WEATHER: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather in a city.", "parameters": CITY},
}

TWO_CALLS = 'tool=get_weather args={"city":"Paris"} tool=get_weather args={"city":"Rome"}'
CALLED = [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
DEGREES = (18, 25)


async def in_thread(opened: Callable[[], AbstractContextManager[C]], use: Callable[[C], Any]) -> Any:
    """Return what `use` makes of a client, in a thread of its own: the client blocks."""

    def run() -> Any:
        with opened() as client:
            return use(client)

    return await trio.to_thread.run_sync(run)


def assert_each_call_has_its_own_result(running: Any) -> None:
    """In what the provider was sent last."""
    sent = running.simulator.observer.requests[-1].body
    assert sent.index(f"{DEGREES[0]} degrees") < sent.index(f"{DEGREES[1]} degrees")


def assert_forecast(text: str) -> None:
    read = msgspec.json.decode(text)
    assert (type(read["city"]), type(read["degrees"])) == (str, int)
