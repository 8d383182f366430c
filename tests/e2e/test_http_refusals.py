"""What the layer of HTTP refuses, and paths that are none: told in the words of the client's API, whoever tells it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from tests.e2e.apis import APIS

Houses = Callable[..., AbstractAsyncContextManager[Any]]

KINDS = {
    (413, "anthropic"): "request_too_large",
    (415, "anthropic"): "invalid_request_error",
    (431, "anthropic"): "invalid_request_error",
    (400, "anthropic"): "invalid_request_error",
    (404, "anthropic"): "not_found_error",
    (404, "gemini"): "NOT_FOUND",
}


def message_of(name: str, reply: Any, status: int) -> str:
    """The message, once the error was seen to be in the shape that this API's clients read."""
    api, body = APIS[name], reply.json()
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    if "ollama" in name:
        assert set(body) == {"error"}
    elif name == "anthropic_messages":
        assert (body["type"], body["error"]["type"]) == ("error", KINDS[status, "anthropic"])
        assert reply.headers["request-id"] == reply.headers["x-request-id"]
    elif "gemini" in name:
        assert (body["error"]["code"], body["error"]["status"]) == (
            status,
            KINDS.get((status, "gemini"), "INVALID_ARGUMENT"),
        )
    else:
        assert set(body["error"]) == {"message", "type", "param", "code"}
    return api.message(body)


async def answer_to(running: Any, raw: bytes) -> Any:
    client = await running.connect()
    try:
        await client.stream.send_all(raw)
        return await client.read_reply()
    finally:
        await client.close()


def head(name: str, *lines: bytes) -> bytes:
    path = APIS[name].path("m", True).encode()
    token = b"authorization: Bearer tg-test-token"
    return b"\r\n".join([b"POST %b HTTP/1.1" % path, b"host: gateway", token, *lines, b"", b""])


@pytest.mark.parametrize("under", ["ours", "hypercorn"])
@pytest.mark.parametrize("name", APIS)
async def test_a_body_that_is_announced_too_large_is_a_413_that_names_the_setting(
    house: Houses, name: str, under: str
) -> None:
    async with house(under, server={"max_body_bytes": 1000}) as running:
        reply = await answer_to(running, head(name, b"content-length: 1001"))
        message = message_of(name, reply, 413)
        assert "server.max_body_bytes" in message
        assert "1000" in message


@pytest.mark.parametrize("name", APIS)
async def test_a_body_that_turns_out_too_large_is_told_so_too(house: Houses, name: str) -> None:
    async with house(server={"max_body_bytes": 1000}) as running:
        reply = await answer_to(running, head(name, b"transfer-encoding: chunked") + b"3e9\r\n")
        assert "server.max_body_bytes" in message_of(name, reply, 413)


@pytest.mark.parametrize("name", APIS)
async def test_a_head_that_is_too_large_is_a_431(house: Houses, name: str) -> None:
    async with house(server={"header_max_bytes": 1024}) as running:
        reply = await answer_to(running, head(name, b"x-much: " + 2000 * b"x"))
        assert "1024" in message_of(name, reply, 431)


@pytest.mark.parametrize(
    "lines",
    [
        (b"content-length: 1", b"content-length: 2"),
        (b"transfer-encoding: chunked", b"", b"no size"),
    ],
    ids=["two lengths", "a malformed chunk"],
)
@pytest.mark.parametrize("name", APIS)
async def test_what_http_does_not_allow_is_a_400(house: Houses, name: str, lines: tuple[bytes, ...]) -> None:
    async with house() as running:
        message_of(name, await answer_to(running, head(name, *lines)), 400)


async def test_a_client_without_a_known_path_is_known_by_its_headers(house: Houses) -> None:
    raw = b"GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\nanthropic-version: 2023-06-01\r\n\r\n"
    async with house() as running:
        message_of("anthropic_messages", await answer_to(running, raw), 400)


@pytest.mark.parametrize("under", ["ours", "hypercorn"])
@pytest.mark.parametrize("name", APIS)
async def test_a_compressed_body_is_a_415_that_says_what_to_do(house: Houses, name: str, under: str) -> None:
    api = APIS[name]
    body = gzip.compress(msgspec.json.encode(api.body("gpt-test", "Hello", False)))
    async with house(under) as running:
        reply = await running.post(api.path("gpt-test", False), body, {"content-encoding": "gzip"})
        assert "send it uncompressed" in message_of(name, reply, 415)
        assert reply.headers["accept-encoding"] == "identity"
        plain = await running.post(
            api.path("gpt-test", False), api.body("gpt-test", "Hello", False), {"content-encoding": "identity"}
        )
        assert plain.status == 200


@pytest.mark.parametrize("under", ["ours", "hypercorn"])
@pytest.mark.parametrize("name", APIS)
async def test_a_slash_behind_an_endpoint_is_a_404_that_names_the_path_without_it(
    house: Houses, name: str, under: str
) -> None:
    api = APIS[name]
    path = api.path("gpt-test", False)
    async with house(under) as running:
        message = message_of(name, await running.post(path + "/", api.body("gpt-test", "Hello", False)), 404)
        assert f"{path} is served" in message


@pytest.mark.parametrize(
    ("path", "name", "there"),
    [
        ("/api/ps", "ollama", "/api/chat"),
        ("/api/embeddings", "ollama", "/api/embed,"),
        ("/v1/audio/speech", "openai_chat", "/v1/chat/completions"),
        ("/v1/messages/batches", "anthropic_messages", "/v1/messages/count_tokens"),
        ("/v1beta/files", "gemini", ":generateContent"),
    ],
)
async def test_a_path_that_is_none_is_told_which_there_are(house: Houses, path: str, name: str, there: str) -> None:
    async with house() as running:
        assert there in message_of(name, await running.post(path, {}), 404)
