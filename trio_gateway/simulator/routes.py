"""Which simulated provider answers which path, and whether the credential is the right one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import msgspec

from trio_gateway.simulator import anthropic, gemini, ollama, openai_chat, openai_completions, openai_responses
from trio_gateway.simulator.config import SimulatorConfig
from trio_gateway.simulator.reply import Endpoint, Reply, Request, Setting
from trio_gateway.simulator.script import Rejected


class Provider(msgspec.Struct, frozen=True):
    """`claims` says whether a request is for it although others have the same path."""

    name: str
    models: tuple[str, ...]
    find: Callable[[Request], Endpoint | None]
    claims: Callable[[Request], bool]
    key_of: Callable[[Request], bytes]
    reject: Callable[[Rejected, Setting], Reply]


_OPENAI: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/chat/completions"): openai_chat.chat,
    ("POST", "/v1/completions"): openai_completions.completions,
    ("POST", "/v1/responses"): openai_responses.responses,
    ("POST", "/v1/embeddings"): openai_chat.embeddings,
    ("GET", "/v1/models"): openai_chat.models,
}
_ANTHROPIC: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/messages"): anthropic.messages,
    ("POST", "/v1/messages/count_tokens"): anthropic.count_tokens,
    ("GET", "/v1/models"): anthropic.models,
}
_OLLAMA: dict[tuple[str, str], Endpoint] = {
    ("POST", "/api/chat"): ollama.chat,
    ("POST", "/api/generate"): ollama.generate,
    ("POST", "/api/embed"): ollama.embed,
    ("POST", "/api/show"): ollama.show,
    ("GET", "/api/tags"): ollama.tags,
    ("GET", "/api/version"): ollama.version,
    ("GET", "/"): ollama.root,
    ("HEAD", "/"): ollama.root,
}


def _in_table(table: dict[tuple[str, str], Endpoint]) -> Callable[[Request], Endpoint | None]:
    models = table.get(("GET", "/v1/models"))

    def find(request: Request) -> Endpoint | None:
        endpoint = table.get((request.method, request.path))
        if endpoint is None and request.method == "GET" and request.path.startswith("/v1/models/"):
            return models
        return endpoint

    return find


def _bearer(request: Request) -> bytes:
    value = request.headers.get(b"authorization", b"")
    return value[7:] if value[:7].lower() == b"bearer " else b""


def _anthropic_key(request: Request) -> bytes:
    return request.headers.get(b"x-api-key") or _bearer(request)


def _gemini_key(request: Request) -> bytes:
    return request.headers.get(b"x-goog-api-key") or parse_qs(request.query).get("key", [""])[0].encode()


_ALL = (
    Provider(
        "anthropic",
        anthropic.DEFAULT_MODELS,
        _in_table(_ANTHROPIC),
        lambda request: b"anthropic-version" in request.headers,
        _anthropic_key,
        anthropic.reject,
    ),
    Provider(
        "gemini",
        gemini.DEFAULT_MODELS,
        gemini.find,
        lambda request: b"x-goog-api-key" in request.headers or "key=" in request.query,
        _gemini_key,
        gemini.reject,
    ),
    Provider("openai", openai_chat.DEFAULT_MODELS, _in_table(_OPENAI), lambda _: True, _bearer, openai_chat.reject),
    Provider("ollama", ollama.DEFAULT_MODELS, _in_table(_OLLAMA), lambda _: True, _bearer, ollama.reject),
)


class Desk:
    """Answers requests for some of the providers. Counts them: the counter is the source of all ids."""

    def __init__(self, config: SimulatorConfig, providers: tuple[str, ...], next_number: Callable[[], int]) -> None:
        self._providers = [provider for provider in _ALL if provider.name in providers]
        self._models = {one.name: config.models.get(one.name, one.models) for one in self._providers}
        self._defaults = config.defaults
        self._key = config.api_key.encode()
        self._strict = config.strict
        self._next_number = next_number

    def answer(self, request: Request, now_s: int) -> tuple[int, str, Reply]:
        """Return the request's number, the provider it is for, and what to write."""
        number = self._next_number()
        provider, endpoint = self._find(request)
        setting = Setting(self._defaults, number, now_s, self._models[provider.name], self._strict)
        try:
            if endpoint is None:
                raise Rejected(404, f"Invalid URL ({request.method} {request.path})")
            if self._key and provider.key_of(request) != self._key:
                raise Rejected(401, "Incorrect API key provided.")
            reply = endpoint(request, setting)
        except Rejected as error:
            reply = provider.reject(error, setting)
            reply.latency_s = error.latency_s
        return number, provider.name, reply

    def _find(self, request: Request) -> tuple[Provider, Endpoint | None]:
        """Return the first provider that has the path and claims the request, or else has the path, or else any."""
        having = [(one, endpoint) for one in self._providers if (endpoint := one.find(request)) is not None]
        for one, endpoint in having:
            if one.claims(request):
                return one, endpoint
        if having:
            return having[0]
        fitting = [one for one in self._providers if one.claims(request)]
        return (fitting or self._providers)[0], None
