"""The endpoints that models answer at: which dialect is spoken there, and what is asked for."""

from __future__ import annotations

import re
from typing import NamedTuple

from trio_gateway.dialects.carriage import Carriage, ChatCarriage, EmbeddingsCarriage, Operation
from trio_gateway.dialects.counting import CountCarriage
from trio_gateway.dialects.embeddings import EmbeddingDialect
from trio_gateway.dialects.envelope import Envelope

_EMBEDDING_DIALECTS: dict[str, EmbeddingDialect] = {
    "openai_chat": "openai_chat",
    "ollama": "ollama",
    "gemini": "gemini",
}


class Endpoint(NamedTuple):
    """`name` is what logs say. `in_url` is what Gemini's URLs say, and other dialects' bodies."""

    name: str
    dialect: str
    operation: Operation
    in_url: Envelope | None = None

    def read(self, body: bytes) -> Carriage:
        """Return the request that `body` makes here. Raises InvalidRequest."""
        if self.operation in ("embeddings", "embedding"):
            single = self.operation == "embedding"
            return EmbeddingsCarriage(_EMBEDDING_DIALECTS[self.dialect], body, self.in_url, single=single)
        if self.operation == "count":
            return CountCarriage(self.dialect, body, self.in_url)
        return ChatCarriage(self.dialect, body, self.in_url)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/chat/completions"): Endpoint("chat.completions", "openai_chat", "chat"),
    ("POST", "/v1/responses"): Endpoint("responses", "openai_responses", "chat"),
    ("POST", "/v1/completions"): Endpoint("completions", "openai_completions", "chat"),
    ("POST", "/v1/embeddings"): Endpoint("embeddings", "openai_chat", "embeddings"),
    ("POST", "/v1/messages"): Endpoint("messages", "anthropic_messages", "chat"),
    ("POST", "/v1/messages/count_tokens"): Endpoint("messages.count_tokens", "anthropic_messages", "count"),
    ("POST", "/api/chat"): Endpoint("api.chat", "ollama", "chat"),
    ("POST", "/api/generate"): Endpoint("api.generate", "ollama_generate", "chat"),
    ("POST", "/api/embed"): Endpoint("api.embed", "ollama", "embeddings"),
}

# What a wrong method at one of these paths is told to use.
METHODS: dict[str, str] = {path: method for method, path in ENDPOINTS}

# Names of models hold colons (llama3:8b) and slashes (channel/model): the last colon is the verb's.
VERBS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
_GEMINI = re.compile(rf"/v1(?:alpha|beta)?/models/(.+):({'|'.join(VERBS)})")
_VERB = re.compile(r"/v1(?:alpha|beta)?/models/.+:([A-Za-z]+)").fullmatch


def find_endpoint(method: str, path: str, query: bytes) -> Endpoint | None:
    """Return what is served at a path (percent-decoded), None where it is no endpoint of models."""
    endpoint = ENDPOINTS.get((method, path))
    if endpoint is None and method == "POST" and (matched := _GEMINI.fullmatch(path)) is not None:
        return _gemini(matched[1], matched[2], query)
    return endpoint


def _gemini(model: str, verb: str, query: bytes) -> Endpoint:
    if verb == "countTokens":
        return Endpoint("models.countTokens", "gemini", "count", Envelope(model))
    if verb in ("embedContent", "batchEmbedContents"):
        operation: Operation = "embedding" if verb == "embedContent" else "embeddings"
        return Endpoint(f"models.{verb}", "gemini", operation, Envelope(model))
    stream = verb == "streamGenerateContent"
    array = stream and b"alt=sse" not in query.split(b"&")
    return Endpoint(f"models.{verb}", "gemini", "chat", Envelope(model, stream, array=array))


def unknown_verb(method: str, path: str) -> str | None:
    """Return what a client asks of a model as Google's do, where there is no such thing; None at any other path."""
    matched = _VERB(path) if method == "POST" else None
    return matched[1] if matched is not None and matched[1] not in VERBS else None


def dialect_at(path: str, headers: dict[bytes, bytes]) -> str:
    """Return the dialect that errors are told in where no endpoint was found: what the client seems to speak."""
    if path.startswith("/api/"):
        return "ollama"
    if path.startswith(("/v1beta/", "/v1alpha/")) or b"x-goog-api-key" in headers:
        return "gemini"
    if path.startswith("/v1/messages") or b"anthropic-version" in headers:
        return "anthropic_messages"
    return "openai_responses" if path.startswith("/v1/responses") else "openai_chat"
