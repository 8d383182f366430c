"""The providers: each gives a channel its dialect, base URL, credential header and paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from trio_gateway.config import ChannelConfig, ProviderName
from trio_gateway.secrets import Secret


class Provider(NamedTuple):
    """What a provider's name stands for. Paths are appended to the base URL's own path."""

    dialect: str
    base_url: str | None
    credential: tuple[str, str]  # the header's name and what precedes the key in it
    chat_path: str
    stream_path: str
    models_path: str
    embeddings_path: str | None = None
    embedding_path: str | None = None  # of one text, where that is another
    count_path: str | None = None  # counts a prompt's tokens
    responses_path: str | None = None  # of a provider that speaks Responses besides its dialect
    api_version: str | None = None
    older_paths: Mapping[str, str] = {}  # of older endpoints, by what is spoken there


PROVIDERS: dict[ProviderName, Provider] = {
    "openai": Provider(
        "openai_chat",
        "https://api.openai.com/v1",
        ("authorization", "Bearer "),
        "/chat/completions",
        "/chat/completions",
        "/models",
        "/embeddings",
        responses_path="/responses",
        older_paths={"openai_completions": "/completions"},
    ),
    "openai_compatible": Provider(
        "openai_chat",
        None,
        ("authorization", "Bearer "),
        "/chat/completions",
        "/chat/completions",
        "/models",
        "/embeddings",
        older_paths={"openai_completions": "/completions"},
    ),
    "anthropic": Provider(
        "anthropic_messages",
        "https://api.anthropic.com",
        ("x-api-key", ""),
        "/v1/messages",
        "/v1/messages",
        "/v1/models?limit=1000",
        count_path="/v1/messages/count_tokens",
        # 2023-06-01 carries sampling parameters, which 2026-10-21 refuses; nothing else differs in what is sent.
        api_version="2023-06-01",
    ),
    "gemini": Provider(
        "gemini",
        "https://generativelanguage.googleapis.com",
        ("x-goog-api-key", ""),
        "/{version}/models/{model}:generateContent",
        "/{version}/models/{model}:streamGenerateContent?alt=sse",
        "/{version}/models?pageSize=1000",
        "/{version}/models/{model}:batchEmbedContents",
        embedding_path="/{version}/models/{model}:embedContent",
        count_path="/{version}/models/{model}:countTokens",
        api_version="v1beta",  # the *-latest aliases exist only there
    ),
    "ollama": Provider(
        "ollama",
        "http://127.0.0.1:11434",
        ("authorization", "Bearer "),
        "/api/chat",
        "/api/chat",
        "/api/tags",
        "/api/embed",
        older_paths={"ollama_generate": "/api/generate"},
    ),
}


class Address(NamedTuple):
    """Where a channel's requests go: an origin, and the request target of each operation.

    `chat`, `stream`, `embeddings`, `embedding` and `counting` may hold `{model}`, to be filled in with `for_model`.
    `older` has the request targets of older endpoints, by what is spoken there.
    """

    origin: str
    chat: str
    stream: str
    models: str
    embeddings: str | None
    embedding: str | None = None
    counting: str | None = None
    responses: str | None = None
    older: Mapping[str, str] = {}


def address(channel: ChannelConfig) -> Address:
    """Return where the channel's requests go."""
    provider = PROVIDERS[channel.provider]
    base = urlsplit(channel.base_url or provider.base_url or "")
    prefix = base.path.rstrip("/")
    version = channel.api_version or provider.api_version or ""

    def target(path: str) -> str:
        return prefix + path.replace("{version}", version)

    return Address(
        origin=f"{base.scheme}://{base.netloc.rpartition('@')[2]}",
        chat=target(provider.chat_path),
        stream=target(provider.stream_path),
        models=target(provider.models_path),
        embeddings=target(provider.embeddings_path) if provider.embeddings_path else None,
        embedding=target(provider.embedding_path) if provider.embedding_path else None,
        counting=target(provider.count_path) if provider.count_path else None,
        responses=target(provider.responses_path) if provider.responses_path else None,
        older={speaks: target(path) for speaks, path in provider.older_paths.items()},
    )


def for_model(target: str, model: str) -> str:
    """Fill a model's name into a request target that asks for it."""
    return target.replace("{model}", quote(model, safe="")) if "{model}" in target else target


def headers(channel: ChannelConfig, host: str, key: Secret | None) -> list[tuple[bytes, bytes]]:
    """Return the headers that every request of the channel carries, its credential among them."""
    provider = PROVIDERS[channel.provider]
    fields = [
        ("host", host),
        ("content-type", "application/json"),
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("user-agent", "trio-gateway"),
    ]
    if key is not None:
        name, prefix = provider.credential
        fields.append((name, prefix + key.reveal()))
    if channel.provider == "anthropic":
        fields.append(("anthropic-version", channel.api_version or provider.api_version or ""))
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in fields]
