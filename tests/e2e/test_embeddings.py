"""Embeddings for the clients of three APIs, by the providers of three: the same vectors, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

Houses = Callable[..., AbstractAsyncContextManager[Any]]
PROVIDERS = {"openai": "gpt-test", "ollama": "llama-test", "gemini": "gemini-test"}


def googles(*texts: str) -> dict[str, Any]:
    return {"requests": [{"model": "models/x", "content": {"parts": [{"text": text}]}} for text in texts]}


async def vectors(running: Any, api: str, model: str, *texts: str) -> Any:
    if api == "openai":
        reply = await running.post("/v1/embeddings", {"model": model, "input": texts})
        return [entry["embedding"] for entry in reply.json()["data"]]
    if api == "ollama":
        reply = await running.post("/api/embed", {"model": model, "input": texts})
        return reply.json()["embeddings"]
    reply = await running.post(f"/v1beta/models/{model}:batchEmbedContents", googles(*texts))
    return [one["values"] for one in reply.json()["embeddings"]]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_client_gets_the_vectors_of_every_provider(house: Houses, provider: str) -> None:
    model = PROVIDERS[provider]
    async with house() as running:
        found = [await vectors(running, api, model, "one", "two") for api in PROVIDERS]
        assert found[0] == found[1] == found[2]
        first, second = found[0]
        assert first != second
        single = await running.post(f"/v1/models/{model}:embedContent", googles("one")["requests"][0])
        assert single.json()["embedding"]["values"] == first
        assert {record.outcome for record in running.records} == {"ok"}


async def test_googles_own_pass_as_they_are_at_their_own_urls_under_the_targets_name(house: Houses) -> None:
    routes = [{"model": "fast", "targets": [{"channel": "gemini", "model": "gemini-embedding"}]}]
    async with house(routes=routes) as running:
        one = googles("one")["requests"][0] | {"task_type": "RETRIEVAL_QUERY"}
        reply = await running.post("/v1beta/models/fast:embedContent", one)
        assert (reply.status, "x-gateway-loss" in reply.headers) == (200, False)
        await running.post("/v1beta/models/fast:batchEmbedContents", {"requests": [one, one]})
        alone, several = running.simulator.observer.requests
        assert alone.path == "/v1beta/models/gemini-embedding:embedContent"
        assert several.path == "/v1beta/models/gemini-embedding:batchEmbedContents"
        assert alone.body.count("models/gemini-embedding") == 1
        assert several.body.count("models/gemini-embedding") == 2
        assert "task_type" in alone.body


@pytest.mark.parametrize("path", ["/v1/models/gpt-test:predict", "/v1beta/models/gemini-test:predictLongRunning"])
async def test_a_verb_that_there_is_none_of_is_told_as_google_would(house: Houses, path: str) -> None:
    async with house() as running:
        reply = await running.post(path, {})
        error = reply.json()["error"]
        assert (reply.status, error["code"], error["status"]) == (404, 404, "NOT_FOUND")
        assert ":embedContent" in error["message"]
        assert path.rpartition(":")[2] in error["message"]
