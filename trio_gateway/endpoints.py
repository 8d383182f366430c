"""The endpoints that models answer at: which dialect is spoken there, and what is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
_DIALECTS = {path: endpoint.dialect for (_, path), endpoint in ENDPOINTS.items()}

# Names of models hold colons (llama3:8b) and slashes (channel/model): the last colon is the verb's.
VERBS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
_GEMINI = re.compile(rf"/v1(?:alpha|beta)?/models/(.+):({'|'.join(VERBS)})")
# What else is served there, in `app.py`: for the list of what there is.
_VIEWS = {
    "openai_chat": ("/v1/models",),
    "anthropic_messages": ("/v1/models",),
    "gemini": ("/v1beta/models", *(f"/v1beta/models/{{model}}:{verb}" for verb in VERBS)),
    "ollama": ("/api/tags", "/api/show", "/api/version"),
}
_API_OF = {"openai_completions": "openai_chat", "openai_responses": "openai_chat", "ollama_generate": "ollama"}
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


def with_one_slash_less(method: str, path: str) -> str | None:
    """Return the path of the endpoint that a path would be without the slashes at its end; None where it is none."""
    bare = path.rstrip("/")
    return bare if bare != path and find_endpoint(method, bare, b"") is not None else None


def served_to(dialect: str) -> list[str]:
    """Return the paths of the API whose dialect it is."""
    api = _API_OF.get(dialect, dialect)
    paths = [path for path, spoken in _DIALECTS.items() if _API_OF.get(spoken, spoken) == api]
    return [*paths, *_VIEWS.get(api, ())]


def dialect_at(path: str, headers: Mapping[bytes, bytes]) -> str:
    """Return the dialect that errors are told in where no exchange tells them: what the client seems to speak."""
    if (spoken := _DIALECTS.get(path)) is not None:
        return spoken
    if path.startswith("/api/"):
        return "ollama"
    if path.startswith(("/v1beta/", "/v1alpha/")) or _VERB(path) or b"x-goog-api-key" in headers:
        return "gemini"
    if path.startswith("/v1/messages") or b"anthropic-version" in headers:
        return "anthropic_messages"
    return "openai_responses" if path.startswith("/v1/responses") else "openai_chat"
