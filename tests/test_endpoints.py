"""Which endpoint a request is for."""

from __future__ import annotations

import pytest

from trio_gateway.endpoints import (
    ENDPOINTS,
    METHODS,
    dialect_at,
    find_endpoint,
    served_to,
    unknown_verb,
    with_one_slash_less,
)


def test_every_path_is_one_methods_alone() -> None:
    assert len(METHODS) == len(ENDPOINTS)
    for (method, path), endpoint in ENDPOINTS.items():
        assert find_endpoint(method, path, b"beta=true") is endpoint
        assert find_endpoint("GET", path, b"") is None


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("model", ["gemini-3-pro", "llama3:8b", "channel/model", "models/x", "a:generateContent"])
@pytest.mark.parametrize(
    ("verb", "query", "name", "stream", "array"),
    [
        ("generateContent", b"", "models.generateContent", False, False),
        ("generateContent", b"alt=sse", "models.generateContent", False, False),
        ("streamGenerateContent", b"alt=sse", "models.streamGenerateContent", True, False),
        ("streamGenerateContent", b"key=x&alt=sse", "models.streamGenerateContent", True, False),
        ("streamGenerateContent", b"", "models.streamGenerateContent", True, True),
        ("streamGenerateContent", b"alt=json", "models.streamGenerateContent", True, True),
        ("countTokens", b"", "models.countTokens", False, False),
        ("embedContent", b"", "models.embedContent", False, False),
        ("batchEmbedContents", b"", "models.batchEmbedContents", False, False),
    ],
)
def test_geminis_urls_say_the_model_and_whether_to_stream(
    version: str, model: str, verb: str, query: bytes, name: str, stream: bool, array: bool
) -> None:
    endpoint = find_endpoint("POST", f"/{version}/models/{model}:{verb}", query)
    assert endpoint is not None
    assert endpoint.in_url is not None
    assert (endpoint.name, endpoint.dialect) == (name, "gemini")
    assert (endpoint.in_url.model, endpoint.in_url.stream, endpoint.in_url.array) == (model, stream, array)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/m:generateContent"),
        ("POST", "/v1/models/m:predict"),
        ("POST", "/v1/models/:generateContent"),
        ("POST", "/v2/models/m:generateContent"),
        ("POST", "/v1/models/m:generateContent/x"),
        ("POST", "/v1/messages/"),
    ],
)
def test_anything_else_is_no_endpoint(method: str, path: str) -> None:
    assert find_endpoint(method, path, b"") is None


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("POST", "/v1/models/m:predict", "predict"),
        ("POST", "/v1beta/models/llama3:8b:predict", "predict"),
        ("GET", "/v1/models/m:predict", None),
        ("POST", "/v1/models/m:generateContent", None),
        ("POST", "/v1/models/llama3:8b", None),
        ("POST", "/v1/models/m", None),
        ("POST", "/v2/models/m:predict", None),
    ],
)
def test_a_verb_that_models_do_not_have_is_recognised(method: str, path: str, verb: str | None) -> None:
    assert unknown_verb(method, path) == verb


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        ("/api/pull", {}, "ollama"),
        ("/v1beta/files", {}, "gemini"),
        ("/v1/models", {b"x-goog-api-key": b"x"}, "gemini"),
        ("/v1/models", {b"anthropic-version": b"2026-10-21"}, "anthropic_messages"),
        ("/v1/messages/batches", {}, "anthropic_messages"),
        ("/v1/responses/resp_1", {}, "openai_responses"),
        ("/v1/models", {}, "openai_chat"),
        ("/", {}, "openai_chat"),
        ("/v1/completions", {}, "openai_completions"),
        ("/api/generate", {}, "ollama_generate"),
        ("/v1/models/m:generateContent", {}, "gemini"),
    ],
)
def test_where_there_is_none_the_path_and_headers_tell_the_clients_dialect(
    path: str, headers: dict[bytes, bytes], dialect: str
) -> None:
    assert dialect_at(path, headers) == dialect


@pytest.mark.parametrize(
    ("method", "path", "bare"),
    [
        ("POST", "/v1/embeddings/", "/v1/embeddings"),
        ("POST", "/v1/messages//", "/v1/messages"),
        ("POST", "/v1beta/models/m:generateContent/", "/v1beta/models/m:generateContent"),
        ("POST", "/v1/embeddings", None),
        ("GET", "/v1/embeddings/", None),
        ("POST", "/v1/images/", None),
        ("POST", "/", None),
    ],
)
def test_an_endpoint_with_a_slash_behind_it_is_known_for_what_it_was_meant_to_be(
    method: str, path: str, bare: str | None
) -> None:
    assert with_one_slash_less(method, path) == bare


@pytest.mark.parametrize(
    ("dialect", "some", "none"),
    [
        ("openai_chat", {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/models"}, "/v1/messages"),
        ("openai_responses", {"/v1/chat/completions", "/v1/completions"}, "/api/chat"),
        ("anthropic_messages", {"/v1/messages", "/v1/messages/count_tokens", "/v1/models"}, "/v1/responses"),
        ("gemini", {"/v1beta/models", "/v1beta/models/{model}:embedContent"}, "/v1/messages"),
        ("ollama", {"/api/chat", "/api/generate", "/api/embed", "/api/tags"}, "/v1/messages"),
    ],
)
def test_what_there_is_for_an_api_is_listed(dialect: str, some: set[str], none: str) -> None:
    served = served_to(dialect)
    assert some <= {*served}
    assert none not in served
    assert len({*served}) == len(served)
