"""Every API's endpoints, in front of every provider, over a real socket: what a client of each API gets to see."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import msgspec
import pytest
import trio

from tests.e2e.apis import APIS, PROVIDERS, ask, only, sse
from trio_gateway.config import FetchConfig
from trio_gateway.transport.fetch import Fetcher

Houses = Callable[..., AbstractAsyncContextManager[Any]]
NOBODY = {"authorization": ""}


# ------------------------------------------------------------------------------------------ every pair


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", APIS)
async def test_every_client_is_answered_by_every_provider(house: Houses, name: str, provider: str) -> None:
    api = APIS[name]
    async with house() as running:
        reply = await ask(running, api, PROVIDERS[provider], "Hello", False)
        assert reply.status == 200, reply.body
        assert reply.headers["content-type"] == "application/json"
        assert api.plain(reply.json()) == 'You said: "Hello".'
        assert reply.headers["x-gateway-channel"] == provider
        assert "x-gateway-loss" not in reply.headers
        record = only(running.records)
        assert (record.outcome, record.model, record.stream) == ("ok", PROVIDERS[provider], False)
        assert record.usage.output == 4


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", APIS)
async def test_every_client_is_streamed_to_by_every_provider(house: Houses, name: str, provider: str) -> None:
    api = APIS[name]
    async with house() as running:
        reply = await ask(running, api, PROVIDERS[provider], "Hello [sim: chunks=4]", True)
        assert reply.status == 200, reply.body
        assert reply.whole
        assert reply.headers["content-type"].split(";")[0] == api.media_type
        pieces = [api.piece(event) for event in api.events(reply.body)]
        assert "".join(pieces) == 'You said: "Hello".'
        assert len([piece for piece in pieces if piece]) > 1
        record = only(running.records)
        assert (record.outcome, record.stream, record.usage.output) == ("ok", True, 4)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [name for name, api in APIS.items() if api.same and name != "gemini array"])
async def test_the_same_dialect_passes_byte_for_byte_both_ways(house: Houses, name: str, stream: bool) -> None:
    api = APIS[name]
    model = PROVIDERS[api.same]
    async with house(simulator={"strict": False}) as running:
        body = b" " + msgspec.json.encode(api.body(model, "Hello [sim: chunks=3]", stream) | {"vendor_field": [1.0]})
        through = await running.post(api.path(model, stream), body)
        sent = only(running.simulator.observer.requests)
        if name == "openai_chat" and stream:
            assert sent.body.replace('"stream_options":{"include_usage":true},', "") == body.decode()
        else:
            assert sent.body == body.decode()
        origin = running.simulator.origins[api.same]
        client = await running.connect_to(int(origin.rpartition(":")[2]))
        await client.send("POST", sent.path, sent.body.encode(), credentials(api.same))
        direct = await client.read_reply()
        await client.close()
        assert through.status == direct.status == 200
        if name != "openai_chat" or not stream:  # the usage, which the client did not ask for, is taken out again
            assert numberless(through.body) == numberless(direct.body)


def credentials(provider: str) -> dict[str, str]:
    key = "sk-upstream-0123456789"
    names = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}
    value = {names[provider]: key} if provider in names else {"authorization": f"Bearer {key}"}
    return value | ({"anthropic-version": "2023-06-01"} if provider == "anthropic" else {})


def numberless(body: bytes) -> bytes:
    """Ids, times and durations count on from one request to the next."""
    return re.sub(rb"\d+", b"0", body)


@pytest.mark.parametrize("name", [name for name, api in APIS.items() if api.same])
async def test_a_renamed_model_reaches_the_provider_that_speaks_the_same(house: Houses, name: str) -> None:
    api = APIS[name]
    channels = {api.same: {"rename": {"fast:one": PROVIDERS[api.same]}}}
    async with house(channels=channels) as running:
        reply = await ask(running, api, "fast:one", "Hello", True)
        assert reply.status == 200, reply.body
        sent = only(running.simulator.observer.requests)
        assert "fast" not in sent.path + sent.body
        assert PROVIDERS[api.same] in sent.path + sent.body


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_single_items_in_place_of_geminis_lists_reach_every_provider(house: Houses, provider: str) -> None:
    body = (
        b'{ "contents":{"role":"user", "parts":{"text":"Hello"}}, "system_instruction":{"parts":{"text":"Be terse."}},'
        b'"tools":{"functionDeclarations":{"name":"f"}}, "generationConfig":{"stopSequences":"x"} }'
    )
    async with house() as running:
        reply = await running.post(f"/v1beta/models/{PROVIDERS[provider]}:generateContent", body)
        assert reply.status == 200, reply.body
        assert reply.json()["candidates"][0]["content"]["parts"][0]["text"] == 'You said: "Hello".'
        sent = only(running.simulator.observer.requests).body
        assert provider != "gemini" or sent == body.decode()


@pytest.mark.parametrize("verb", ["generateContent", "countTokens"])
async def test_a_renamed_model_is_renamed_in_a_gemini_body_too(house: Houses, verb: str) -> None:
    body = b'{ "contents":[{"parts":[{"text":"Hello"}]}], "model":"models/fast" }'
    if verb == "countTokens":
        body = b'{ "generateContentRequest": %b }' % body
    async with house(channels={"gemini": {"rename": {"fast": "gemini-test"}}}) as running:
        reply = await running.post(f"/v1beta/models/fast:{verb}", body)
        assert reply.status == 200, reply.body
        assert only(running.simulator.observer.requests).body == body.decode().replace("fast", "gemini-test")


async def test_a_message_of_a_role_that_nobody_knows_is_for_a_provider_of_the_same_kind_to_judge(house: Houses) -> None:
    body = b'{ "model":"%b", "messages":[{"role":"user","content":"Hi"},{"role":"ipython","content":"1"}] }'
    async with house() as running:
        await running.post("/v1/chat/completions", body % b"gpt-test")
        assert only(running.simulator.observer.requests).body == (body % b"gpt-test").decode()
        refused = await running.post("/v1/chat/completions", body % b"claude-test")
        assert (refused.status, refused.json()["error"]["param"]) == (400, "messages[1].role")
        assert len(running.simulator.observer.requests) == 1


# ------------------------------------------------------------------------------------------------- errors

KINDS = {  # what a status is called, by API
    "openai_chat": {401: "authentication_error", 404: "invalid_request_error", 400: "invalid_request_error"},
    "anthropic_messages": {401: "authentication_error", 404: "not_found_error", 400: "invalid_request_error"},
    "gemini": {401: "UNAUTHENTICATED", 404: "NOT_FOUND", 400: "INVALID_ARGUMENT"},
    "ollama": {401: "", 404: "", 400: ""},
}
KINDS |= {"openai_responses": KINDS["openai_chat"], "openai_completions": KINDS["openai_chat"]}
KINDS |= {"gemini array": KINDS["gemini"], "ollama_generate": KINDS["ollama"]}


@pytest.mark.parametrize("name", APIS)
async def test_the_gateways_own_errors_are_in_the_clients_words(house: Houses, name: str) -> None:
    api = APIS[name]
    async with house() as running:
        unauthorized = await ask(running, api, "gpt-test", "Hi", True, {"authorization": "Bearer wrong"})
        unknown = await ask(running, api, "nobody", "Hi", True)
        bad = await running.post(api.path("gpt-test", True), b'{"model":"gpt-test","messages":5,"input":5,"prompt":{}')
        for reply, status in ((unauthorized, 401), (unknown, 404), (bad, 400)):
            assert reply.status == status, reply.body
            assert reply.headers["content-type"] == "application/json"
            assert api.message(reply.json())
            assert api.kind(reply.json()) == KINDS[name][status]
        assert running.simulator.observer.requests == []
        assert "token" in api.message(unauthorized.json())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", APIS)
async def test_a_providers_refusal_keeps_its_status_and_when_to_retry(
    house: Houses, name: str, provider: str, stream: bool
) -> None:
    api = APIS[name]
    async with house() as running:
        reply = await ask(running, api, PROVIDERS[provider], "Hi [sim: status=429 retry_after=7]", stream)
        assert reply.status == 429
        assert api.message(reply.json())
        if provider != "ollama":  # it says nothing of when
            assert reply.headers["retry-after"] == "7"
        assert only(running.records).outcome == "upstream_error"


@pytest.mark.parametrize("how", ["error@2", "cut@2"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", APIS)
async def test_a_stream_that_breaks_ends_in_the_clients_own_error(
    house: Houses, name: str, provider: str, how: str
) -> None:
    api = APIS[name]
    async with house() as running:
        text = f"a b c d e f [sim: chunks=6 fail={how}]"
        reply = await ask(running, api, PROVIDERS[provider], text, True)
        assert reply.status == 200
        assert b"[DONE]" not in reply.body
        if api.same == "gemini" == provider and name == "gemini" and how == "error@2":
            assert b'"error": {' in reply.body, "Google's own, over many lines, passes as it is"
        else:
            events = api.events(reply.body)
            assert "".join(api.piece(event) for event in events), "what had come was passed on"
            follows = name == "openai_responses"  # a failed response follows the error there
            assert api.is_error(events[-2 if follows else -1])
            assert not follows or events[-1]["type"] == "response.failed"
        assert only(running.records).outcome == "upstream_error"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("name", APIS)
async def test_a_stream_that_stops_is_told_so_in_its_own_framing(house: Houses, name: str, provider: str) -> None:
    api = APIS[name]
    async with house(timeouts={"gap_s": 0.1}) as running:
        reply = await ask(running, api, PROVIDERS[provider], "a b c d [sim: chunks=4 fail=silence@2]", True)
        assert reply.status == 200
        events = api.events(reply.body)
        told = only(event for event in events if api.is_error(event))
        assert b"gap_s" in msgspec.json.encode(told)
        if name == "openai_responses":
            failed = events[-1]
            assert failed["type"] == "response.failed"
            assert failed["sequence_number"] == told["sequence_number"] + 1 == events[-3]["sequence_number"] + 2
            assert "gap_s" in failed["response"]["error"]["message"]
        assert only(running.records).outcome == "timeout"
        with trio.fail_after(5):
            await running.simulator.observer.wait_closed()


@pytest.mark.parametrize(
    ("path", "headers", "kind"),
    [
        ("/v1/messages/batches", {}, "anthropic_messages"),
        ("/v1beta/files", {}, "gemini"),
        ("/api/pull", {}, "ollama"),
        ("/v1/files", {"anthropic-version": "2026-10-21"}, "anthropic_messages"),
        ("/v1/files", {}, "openai_chat"),
        ("/v1/responses/resp_1", {}, "openai_responses"),
    ],
)
async def test_an_unknown_path_is_told_in_the_words_of_the_api_it_would_be_of(
    house: Houses, path: str, headers: dict[str, str], kind: str
) -> None:
    async with house() as running:
        reply = await running.post(path, {}, headers)
        assert reply.status == 404
        assert APIS[kind].kind(reply.json()) == KINDS[kind][404]
        assert path in APIS[kind].message(reply.json())


# ------------------------------------------------------------------------------------- what is let through


@pytest.mark.parametrize(
    ("name", "headers", "query"),
    [
        ("openai_chat", {"authorization": "Bearer tg-test-token"}, ""),
        ("anthropic_messages", {"x-api-key": "tg-test-token"}, ""),
        ("anthropic_messages", {"authorization": "Bearer tg-test-token"}, ""),
        ("gemini", {"x-goog-api-key": "tg-test-token"}, ""),
        ("gemini", {}, "?key=tg-test-token"),
    ],
)
async def test_a_token_is_taken_where_the_clients_put_it_and_goes_no_further(
    house: Houses, name: str, headers: dict[str, str], query: str
) -> None:
    api = APIS[name]
    async with house() as running:
        for model in PROVIDERS.values():
            body = api.body(model, "Hi", False)
            reply = await running.post(api.path(model, False) + query, body, NOBODY | headers)
            assert reply.status == 200, reply.body
        assert "tg-test-token" not in repr([(one.path, one.headers) for one in running.simulator.observer.requests])
        assert "tg-test-token" not in repr(running.records)


async def test_a_query_changes_nothing_for_other_clients(house: Houses) -> None:
    async with house() as running:
        api = APIS["anthropic_messages"]
        reply = await running.post("/v1/messages?beta=true", api.body("claude-test", "Hi", False))
        assert reply.status == 200
        assert only(running.simulator.observer.requests).path == "/v1/messages"


async def test_a_clients_version_and_betas_go_to_a_provider_of_its_own_kind_alone(house: Houses) -> None:
    given = {"anthropic-version": "2026-10-21", "anthropic-beta": "files-api-2025-04-14", "x-other": "no"}
    api = APIS["anthropic_messages"]
    async with house() as running:
        await ask(running, api, "claude-test", "Hi", False, given)
        await ask(running, api, "gpt-test", "Hi", False, given)
        same, foreign = running.simulator.observer.requests
        assert [value for name, value in same.headers if name == "anthropic-version"] == ["2026-10-21"]
        assert dict(same.headers)["anthropic-beta"] == "files-api-2025-04-14"
        assert "x-other" not in dict(same.headers)
        assert not [name for name, _ in foreign.headers if name.startswith("anthropic")]


async def test_without_a_version_of_its_own_the_channels_is_sent(house: Houses) -> None:
    async with house() as running:
        await running.chat("claude-test", "Hi")
        assert dict(only(running.simulator.observer.requests).headers)["anthropic-version"] == "2023-06-01"


async def test_a_channel_of_the_newer_anthropic_version_is_sent_no_sampling(house: Houses) -> None:
    async with house(channels={"anthropic": {"api_version": "2026-10-21"}}) as running:
        reply = await running.chat("claude-test", "Hi", temperature=0.5)
        assert reply.status == 200, reply.body
        assert "temperature" in reply.headers["x-gateway-loss"]
        assert "temperature" not in only(running.simulator.observer.requests).body


# --------------------------------------------------------------------------------- OpenAI's two dialects

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


async def test_responses_go_to_responses_at_openai_and_to_chat_elsewhere(house: Houses) -> None:
    api = APIS["openai_responses"]
    channels = {"compatible": {"provider": "openai_compatible", "models": ["other-*"]}}
    async with house(channels=channels) as running:
        for model in ("gpt-test", "other-model"):
            assert (await ask(running, api, model, "Hi", False)).status == 200
        paths = [one.path for one in running.simulator.observer.requests]
        assert paths == ["/v1/responses", "/v1/chat/completions"]


@pytest.mark.parametrize(
    ("effort", "tools", "path"),
    [
        ("high", [TOOL], "/v1/responses"),
        ("none", [TOOL], "/v1/chat/completions"),
        (None, [TOOL], "/v1/chat/completions"),
        ("high", [], "/v1/chat/completions"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_and_reasoning_together_go_where_the_model_takes_them(
    house: Houses, effort: str | None, tools: list[Any], path: str, stream: bool
) -> None:
    given: dict[str, Any] = {"reasoning_effort": effort} if effort else {}
    if tools:
        given["tools"] = tools
    async with house(channels={"openai": {"models": ["gpt-5.6"]}}) as running:
        reply = await running.chat("gpt-5.6", "Hi", stream=stream, **given)
        assert reply.status == 200, reply.body
        assert only(running.simulator.observer.requests).path == path
        assert "x-gateway-loss" not in reply.headers


async def test_thoughts_that_are_to_be_shown_are_asked_for_where_they_can_be(house: Houses) -> None:
    thinking = {"type": "adaptive", "display": "summarized"}
    body = APIS["anthropic_messages"].body("gpt-test", "Hi [sim: reasoning=Hm]", False) | {"thinking": thinking}
    async with house() as running:
        reply = await running.post("/v1/messages", body)
        assert only(running.simulator.observer.requests).path == "/v1/responses"
        assert [block["type"] for block in reply.json()["content"]] == ["thinking", "text"]
        stopped = await running.post("/v1/messages", body | {"stop_sequences": ["END"]})
        assert stopped.status == 200
        assert running.simulator.observer.requests[-1].path == "/v1/chat/completions", "only it has stop sequences"


# ------------------------------------------------------------------------------------------------ counting


async def test_tokens_are_counted_by_a_provider_of_the_same_kind(house: Houses) -> None:
    messages = [{"role": "user", "content": "Hello there"}]
    contents = APIS["gemini"].body("", "Hello there", False)
    async with house() as running:
        anthropic = await running.post("/v1/messages/count_tokens", {"model": "claude-test", "messages": messages})
        gemini = await running.post("/v1beta/models/gemini-test:countTokens", contents)
        assert anthropic.json()["input_tokens"] > 0
        assert gemini.json()["totalTokens"] > 0
        assert "x-gateway-estimate" not in anthropic.headers | gemini.headers
        paths = [one.path for one in running.simulator.observer.requests]
        assert paths == ["/v1/messages/count_tokens", "/v1beta/models/gemini-test:countTokens"]


@pytest.mark.parametrize("wrapped", [None, "generateContentRequest", "generate_content_request"])
async def test_tokens_are_estimated_for_any_other_provider_and_it_says_so(house: Houses, wrapped: str | None) -> None:
    text = "word " * 400
    contents = APIS["gemini"].body("", text, False)
    async with house() as running:
        asked = {"model": "gpt-test", "messages": [{"role": "user", "content": text}]}
        anthropic = await running.post("/v1/messages/count_tokens", asked)
        gemini = await running.post("/v1/models/gpt-test:countTokens", {wrapped: contents} if wrapped else contents)
        assert 350 < anthropic.json()["input_tokens"] < 700
        assert gemini.json()["totalTokens"] == anthropic.json()["input_tokens"]
        for reply in (anthropic, gemini):
            assert reply.headers["x-gateway-estimate"] == "true"
            assert reply.headers["x-gateway-channel"] == "openai"
        assert running.simulator.observer.requests == []


async def test_a_count_of_nothing_is_refused_with_its_place(house: Houses) -> None:
    async with house() as running:
        reply = await running.post("/v1/messages/count_tokens", {"model": "gpt-test", "messages": []})
        assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")


# ----------------------------------------------------------------------------------- the older endpoints


async def test_what_a_prompt_has_and_a_conversation_has_not_is_a_loss(house: Houses) -> None:
    async with house() as running:
        body = {"model": "claude-test", "prompt": "Hi", "system": "Be terse.", "suffix": "x", "raw": True,
                "context": [1], "template": "", "stream": False, "options": {"num_ctx": 5}}  # fmt: skip
        reply = await running.post("/api/generate", body)
        assert reply.headers["x-gateway-loss"].split(", ") == ["suffix", "raw", "context", "options.num_ctx"]
        sent = msgspec.json.decode(only(running.simulator.observer.requests).body)
        assert "Be terse." in msgspec.json.encode(sent["system"]).decode()
        strict = await running.post("/api/generate", body, {"x-gateway-strict": "true"})
        assert strict.status == 400
        legacy = await running.post(
            "/v1/completions", {"model": "gpt-test", "prompt": ["Hi"], "echo": True, "best_of": 2, "suffix": ""}
        )
        assert legacy.headers["x-gateway-loss"] == "echo, best_of"


@pytest.mark.parametrize("given", [["a"] * 65, ["a", 1], [1, 2], [[1]], [], None])
async def test_a_completion_of_too_many_prompts_or_of_tokens_is_refused(house: Houses, given: Any) -> None:
    async with house() as running:
        reply = await running.post("/v1/completions", {"model": "gpt-test", "prompt": given})
        assert (reply.status, reply.json()["error"]["param"]) == (400, "prompt")


async def test_a_completion_is_a_text_completion_with_its_usage(house: Houses) -> None:
    async with house() as running:
        body = {"model": "claude-test", "prompt": "Hi", "stream": True, "stream_options": {"include_usage": True}}
        reply = await running.post("/v1/completions", body)
        *events, usage = sse(reply.body)
        assert {event["object"] for event in (*events, usage)} == {"text_completion"}
        assert [only(event["choices"])["finish_reason"] for event in events] == [None] * (len(events) - 1) + ["stop"]
        assert usage["usage"]["completion_tokens"] > 0
        assert reply.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), (0, "unload")])
@pytest.mark.parametrize(
    ("path", "asked"), [("/api/chat", {"messages": []}), ("/api/generate", {}), ("/api/generate", {"prompt": ""})]
)
async def test_a_model_that_is_not_ollamas_is_loaded_at_once(
    house: Houses, path: str, asked: dict[str, Any], keep_alive: int | None, reason: str
) -> None:
    async with house() as running:
        more = {} if keep_alive is None else {"keep_alive": keep_alive}
        reply = await running.post(path, {"model": "gpt-test", **asked, **more})
        assert (reply.status, reply.json()["done"], reply.json()["done_reason"]) == (200, True, reason)
        assert running.simulator.observer.requests == []


@pytest.mark.parametrize("stream", [None, True, False])
@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), (0, "unload")])
@pytest.mark.parametrize(("path", "asked"), [("/api/chat", {"messages": []}), ("/api/chat", {}), ("/api/generate", {})])
async def test_a_model_of_ollamas_is_loaded_by_ollama(
    house: Houses, path: str, asked: dict[str, Any], keep_alive: int | None, reason: str, stream: bool | None
) -> None:
    more = {"stream": stream, "keep_alive": keep_alive}
    body = {"model": "llama-test", **asked, **{name: value for name, value in more.items() if value is not None}}
    async with house() as running:
        reply = await running.post(path, body)
        assert (reply.status, reply.whole) == (200, True), reply.body
        assert (reply.json()["done"], reply.json()["done_reason"]) == (True, reason)
        sent = only(running.simulator.observer.requests)
        assert (sent.path, msgspec.json.decode(sent.body)) == (path, body)
        health = (await running.get("/admin/health")).json()
        assert [target["state"] for target in health["targets"]] == ["closed"], "its breaker is as it was"
        assert only(running.records).outcome == "ok"


async def test_what_ollama_alone_can_do_with_a_prompt_reaches_it(house: Houses) -> None:
    own = {"suffix": "}", "raw": True, "template": "{{ .Prompt }}", "context": [1, 2], "options": {"mirostat": 2}}
    body = {"model": "llama-test", "prompt": "Hi", "stream": False, "system": "Be terse.", **own}
    async with house() as running:
        reply = await running.post("/api/generate", body, {"x-gateway-strict": "true"})
        assert reply.status == 200, reply.body
        assert "x-gateway-loss" not in reply.headers
        assert {"response", "total_duration", "eval_duration"} <= set(reply.json())
        sent = only(running.simulator.observer.requests)
        assert (sent.path, msgspec.json.decode(sent.body)) == ("/api/generate", body)
        assert only(running.records).usage.output == 3


# ------------------------------------------------------------------------------------------------ listings


async def test_models_are_told_page_by_page_to_those_who_ask(house: Houses) -> None:
    anthropic, gemini = {"anthropic-version": "2026-10-21"}, {"x-goog-api-key": "tg-test-token"}
    async with house() as running:
        names = [model["id"] for model in (await running.get("/v1/models")).json()["data"]]
        first = (await running.get("/v1/models?limit=2", anthropic)).json()
        assert ([model["id"] for model in first["data"]], first["has_more"]) == (names[:2], True)
        second = (await running.get(f"/v1/models?limit=1000&after_id={first['last_id']}", anthropic)).json()
        assert ([model["id"] for model in second["data"]], second["has_more"]) == (names[2:], False)
        refused = await running.get("/v1/models?limit=0", anthropic)
        assert (refused.status, refused.json()["error"]["type"]) == (400, "invalid_request_error")
        start = (await running.get("/v1beta/models?pageSize=3", gemini)).json()
        rest = (await running.get(f"/v1beta/models?pageSize=1000&pageToken={start['nextPageToken']}", gemini)).json()
        assert [model["name"] for model in start["models"] + rest["models"]] == [f"models/{name}" for name in names]
        assert "nextPageToken" not in rest
        stale = await running.get("/v1beta/models?pageToken=gone", gemini)
        assert (stale.status, stale.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_models_are_listed_in_the_shape_of_the_client(house: Houses) -> None:
    async with house() as running:
        openai = (await running.get("/v1/models")).json()
        names = [model["id"] for model in openai["data"]]
        assert set(PROVIDERS.values()) <= set(names)
        anthropic = (await running.get("/v1/models", {"anthropic-version": "2026-10-21"})).json()
        assert [(model["type"], model["id"]) for model in anthropic["data"]] == [("model", name) for name in names]
        assert (anthropic["has_more"], anthropic["first_id"], anthropic["last_id"]) == (False, names[0], names[-1])
        for path, headers in (("/v1beta/models", {}), ("/v1/models", {"x-goog-api-key": "tg-test-token"})):
            gemini = (await running.get(path, headers)).json()
            assert [model["name"] for model in gemini["models"]] == [f"models/{name}" for name in names]
        tags = (await running.get("/api/tags")).json()
        assert [model["model"] for model in tags["models"]] == names


async def test_one_model_is_told_in_the_shape_of_the_client(house: Houses) -> None:
    async with house() as running:
        anthropic = await running.get("/v1/models/gpt-test", {"anthropic-version": "2026-10-21"})
        assert (anthropic.json()["type"], anthropic.json()["id"]) == ("model", "gpt-test")
        assert (await running.get("/v1beta/models/gpt-test")).json()["name"] == "models/gpt-test"
        missing = await running.get("/v1beta/models/nobody")
        assert (missing.status, missing.json()["error"]["status"]) == (404, "NOT_FOUND")
        shown = (await running.post("/api/show", {"model": "gpt-test"})).json()
        assert "completion" in shown["capabilities"]
        assert (await running.post("/api/show", {"model": "nobody"})).status == 404
        assert (await running.post("/api/show", {})).status == 400


async def test_what_clients_ask_before_they_talk_is_answered(house: Houses) -> None:
    async with house() as running:
        client = await running.connect()
        await client.send("HEAD", "/", None, NOBODY)
        head = await client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await client.close()
        assert (await running.get("/", NOBODY)).status == 200
        assert re.fullmatch(r"\d+\.\d+\.\d+", (await running.get("/api/version")).json()["version"])


@pytest.mark.parametrize("path", ["/v1/models", "/v1beta/models", "/api/tags", "/api/version"])
async def test_nothing_is_listed_without_a_token(house: Houses, path: str) -> None:
    async with house() as running:
        assert (await running.get(path, NOBODY)).status == 401


@pytest.mark.parametrize("provider", ["openai", "ollama"])
async def test_embeddings_are_served_to_ollamas_clients(house: Houses, provider: str) -> None:
    async with house() as running:
        reply = await running.post("/api/embed", {"model": PROVIDERS[provider], "input": ["one", "two"]})
        assert reply.status == 200, reply.body
        assert len(reply.json()["embeddings"]) == 2
        refused = await running.post("/api/embed", {"model": "claude-test", "input": "one"})
        assert (refused.status, "serves no embeddings" in refused.json()["error"]) == (400, True)


# ------------------------------------------------------------------------------------------ remote media

PIXEL = b"\x89PNG\r\n\x1a\n and the rest"


def asking_with_image(url: str, model: str) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": url}}
    return {"model": model, "messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]}


async def serve_image(stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(PIXEL), PIXEL))
        await stream.receive_some()


async def test_remote_images_are_not_fetched_unless_the_operator_allows_it(house: Houses) -> None:
    async with house() as running:
        body = asking_with_image("http://127.0.0.1:1/x.png", "llama-test")
        reply = await running.post("/v1/chat/completions", body)
        assert reply.status == 400
        assert running.simulator.observer.requests == []


async def test_even_then_nothing_of_this_network_is_fetched(house: Houses) -> None:
    async with house(fetch={"enabled": True}) as running:
        for host in ("127.0.0.1", "localhost", "[::1]", "169.254.169.254"):
            reply = await running.post("/v1/chat/completions", asking_with_image(f"http://{host}/x", "llama-test"))
            assert (reply.status, reply.json()["error"]["code"]) == (400, "media_not_fetched")
            assert "no public address" in reply.json()["error"]["message"]
        assert running.simulator.observer.requests == []


@pytest.mark.parametrize("provider", ["ollama", "gemini"])
async def test_a_remote_image_reaches_a_provider_that_wants_bytes(house: Houses, provider: str) -> None:
    async with house(simulator={"strict": False}) as running, trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve_image, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        running.gateway.fetcher = Fetcher(FetchConfig(enabled=True), is_public=lambda address: True)
        url = f"http://127.0.0.1:{port}/x.png"
        reply = await running.post("/v1/chat/completions", asking_with_image(url, PROVIDERS[provider]))
        assert reply.status == 200, reply.body
        sent = only(running.simulator.observer.requests).body
        assert b64encode(PIXEL).decode() in sent
        assert url not in sent
        nursery.cancel_scope.cancel(reason="the test is over")


async def test_a_provider_that_fetches_by_itself_is_given_the_url(house: Houses) -> None:
    async with house(fetch={"enabled": True}, simulator={"strict": False}) as running:
        url = "https://pictures.example/x.png"
        reply = await running.post("/v1/chat/completions", asking_with_image(url, "claude-test"))
        assert reply.status == 200, reply.body
        assert url in only(running.simulator.observer.requests).body


async def test_a_client_that_leaves_ends_the_fetching_too(house: Houses) -> None:
    asked, left = trio.Event(), trio.Event()

    async def never(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            asked.set()
            await stream.receive_some()
            left.set()

    async with house() as running, trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, never, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        running.gateway.fetcher = Fetcher(FetchConfig(enabled=True), is_public=lambda address: True)
        client = await running.connect()
        await client.send("POST", "/v1/chat/completions", asking_with_image(f"http://127.0.0.1:{port}/", "llama-test"))
        with trio.fail_after(5):
            await asked.wait()
            await client.close()
            await left.wait()
        nursery.cancel_scope.cancel(reason="the test is over")
