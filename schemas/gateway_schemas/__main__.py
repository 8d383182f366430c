"""`python -m gateway_schemas NAME` prints a format's JSON Schema (2020-12); without a name, the names there are."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import msgspec

FORMATS = {
    "openai_chat.request": "Request",
    "openai_chat.response": "Answer",
    "openai_chat.event": "Chunk",
    "openai_chat.error": "ErrorBody",
    "openai_responses.request": "CreateResponse",
    "openai_responses.response": "Response",
    "openai_responses.event": "StreamEvent",
    "openai_responses.error": "ErrorResponse",
    "openai_embeddings.request": "EmbeddingsRequest",
    "openai_embeddings.response": "EmbeddingsAnswer",
    "openai_models.response": "ModelList",
    "openai_models.model": "Model",
    "openai_models.deleted": "DeletedModel",
    "anthropic_messages.request": "MessagesRequest",
    "anthropic_messages.response": "MessagesResponse",
    "anthropic_messages.event": "StreamEvent",
    "anthropic_messages.error": "ErrorResponse",
    "anthropic_messages.count_request": "CountTokensRequest",
    "anthropic_messages.count_response": "CountTokensResponse",
    "anthropic_models.response": "ModelList",
    "anthropic_models.model": "ModelInfo",
    "gemini.request": "GenerateContentRequest",
    "gemini.response": "GenerateContentResponse",
    "gemini.event": "GenerateContentResponse",
    "gemini.error": "ErrorResponse",
    "gemini.count_request": "CountTokensRequest",
    "gemini.count_response": "CountTokensResponse",
    "gemini.embed_request": "EmbedContentRequest",
    "gemini.batch_embed_request": "BatchEmbedContentsRequest",
    "gemini.embed_response": "EmbedContentResponse",
    "gemini.models": "ModelList",
    "gemini.model": "Model",
    "ollama.request": "ChatRequest",
    "ollama.response": "ChatResponse",
    "ollama.event": "ChatResponse",
    "ollama.error": "ErrorResponse",
    "ollama.generate_request": "GenerateRequest",
    "ollama.generate_response": "GenerateResponse",
    "ollama.generate_event": "GenerateResponse",
    "ollama.embed_request": "EmbedRequest",
    "ollama.embed_response": "EmbedResponse",
    "ollama.tags": "TagsResponse",
    "ollama.show_request": "ShowRequest",
    "ollama.show_response": "ShowResponse",
    "ollama.version": "VersionResponse",
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a format. KeyError for an unknown one.

    A member that is carried as raw JSON is any value there.
    """
    module = import_module(f"gateway_schemas.{name.partition('.')[0]}")
    found: dict[str, Any] = msgspec.json.schema(getattr(module, FORMATS[name]))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **found}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in FORMATS:
        sys.stderr.write("usage: python -m gateway_schemas NAME, where NAME is one of\n  ")
        sys.stderr.write("\n  ".join(FORMATS) + "\n")
        return 2
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(schema(arguments[0])), indent=2) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
