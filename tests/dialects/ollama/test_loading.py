from __future__ import annotations

import json

import pytest
from msgspec import Raw

from trio_gateway.dialects.conversation import Conversation
from trio_gateway.dialects.ollama.loading import SOURCES, loaded


@pytest.mark.parametrize("source", sorted(SOURCES))
@pytest.mark.parametrize(
    ("keep_alive", "reason"),
    [(None, "load"), (Raw(b'"5m"'), "load"), (Raw(b"-1"), "load"), (Raw(b"0"), "unload"), (Raw(b'"0s"'), "unload")],
)
def test_a_model_is_loaded_or_unloaded_and_that_is_all(source: str, keep_alive: Raw | None, reason: str) -> None:
    line = loaded(source, Conversation(source=source, model="m", turns=[], keep_alive=keep_alive), 0)
    assert line.endswith(b"}\n")
    answer = json.loads(line)
    assert (answer["model"], answer["done"], answer["done_reason"]) == ("m", True, reason)
    assert answer["created_at"].startswith("1970-01-01T00:00:00")
    assert answer["message" if source == "ollama" else "response"] in ({"role": "assistant", "content": ""}, "")
