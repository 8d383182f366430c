"""What a provider sends, and what the vendor's library makes of what we send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

_sdk_event: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

Sse: TypeAlias = Callable[..., bytes]
Events: TypeAlias = Callable[[bytes], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def sse() -> Sse:
    """Return a function that frames events as OpenAI does."""

    def frame(*events: dict[str, Any]) -> bytes:
        return b"".join(
            b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event)) for event in events
        )

    return frame


@pytest.fixture(scope="session")
def events_of() -> Events:
    """Return a function that takes a stream apart again, and holds it to what the SDK and the document say."""

    def take(stream: bytes) -> list[dict[str, Any]]:
        assert stream.endswith(b"\n\n")
        events = []
        for number, block in enumerate(stream[:-2].split(b"\n\n")):
            name, data = block.split(b"\n")
            event = msgspec.json.decode(data.removeprefix(b"data: "))
            assert name == b"event: " + event["type"].encode()
            assert event["sequence_number"] == number
            _sdk_event.validate_json(data.removeprefix(b"data: "))
            events.append(event)
        return events

    return take
