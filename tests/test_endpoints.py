"""Which endpoint a request is for."""

from __future__ import annotations

import pytest

from trio_gateway.endpoints import ENDPOINTS, METHODS, dialect_at, find_endpoint, unknown_verb


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
    ],
)
def test_where_there_is_none_the_path_and_headers_tell_the_clients_dialect(
    path: str, headers: dict[bytes, bytes], dialect: str
) -> None:
    assert dialect_at(path, headers) == dialect
