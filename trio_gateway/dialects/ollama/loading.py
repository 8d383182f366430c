"""Requests without messages: Ollama loads the model then, or unloads it. Elsewhere there is nothing to load."""

from __future__ import annotations

from gateway_schemas import ollama as wire
from trio_gateway.dialects.conversation import Conversation
from trio_gateway.dialects.times import rfc3339

SOURCES = frozenset({"ollama", "ollama_generate"})
_UNLOADS = frozenset({b"0", b'"0"', b'"0s"'})


def loaded(source: str, conversation: Conversation, created: int) -> bytes:
    """Return what Ollama answers to one: a line that is done at once. `created` is in Unix seconds."""
    unloads = conversation.keep_alive is not None and bytes(conversation.keep_alive) in _UNLOADS
    reason, at = "unload" if unloads else "load", rfc3339(created)
    answer: wire.ChatResponse | wire.GenerateResponse
    if source == "ollama":
        said = wire.Message("assistant", "")
        answer = wire.ChatResponse(model=conversation.model, created_at=at, message=said, done=True, done_reason=reason)
    else:
        answer = wire.GenerateResponse(
            model=conversation.model, created_at=at, response="", done=True, done_reason=reason
        )
    return wire.encode(answer) + b"\n"
