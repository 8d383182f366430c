"""What a client of the gateway sees, over a real socket, with simulated providers behind it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest
import trio

from tests.e2e.apis import only
from tests.e2e.vendors import WEATHER

Houses = Callable[..., AbstractAsyncContextManager[Any]]
MODELS = {"openai": "gpt-test", "anthropic": "claude-test", "ollama": "llama-test"}
TRANSLATED = {"anthropic": "claude-test", "ollama": "llama-test"}
KEY = "sk-upstream-0123456789"


# ------------------------------------------------------------------------------------------ plain answers


@pytest.mark.parametrize("provider", MODELS)
async def test_a_plain_request_is_answered_and_says_where_it_went(house: Houses, provider: str) -> None:
    async with house() as running:
        reply = await running.chat(MODELS[provider], "Hello")
        assert reply.status == 200
        answer = reply.json()
        assert answer["object"] == "chat.completion"
        assert only(answer["choices"])["message"]["content"] == 'You said: "Hello".'
        assert (
            answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]
        )
        assert reply.headers["x-gateway-channel"] == provider
        assert reply.headers["x-gateway-model"] == MODELS[provider]
        assert reply.headers["x-request-id"].startswith("req_")
        assert "x-gateway-loss" not in reply.headers
        record = only(running.records)
        assert (record.outcome, record.status, record.channel) == ("ok", 200, provider)
        assert record.usage.output == answer["usage"]["completion_tokens"]


async def test_the_same_dialect_passes_byte_for_byte(house: Houses) -> None:
    body = b'{ "messages":[{"role":"user","content":"Hi","x":1}],\n "vendor_field": {"a": 1.0},"model" : "gpt-test"}'
    channels = {"openai": {"provider": "openai_compatible"}}
    async with house(channels=channels, simulator={"strict": False}) as running:
        reply = await running.post("/v1/chat/completions", body)
        assert only(running.simulator.observer.requests).body == body.decode()
        assert reply.json()["id"].startswith("chatcmpl-")


async def test_a_renamed_model_is_all_that_changes(house: Houses) -> None:
    body = b'{ "messages":[{"role":"user","content":"fast"}],\n "model" : "fast", "temperature": 1.0}'
    async with house(channels={"openai": {"rename": {"fast": "gpt-test"}}}) as running:
        await running.post("/v1/chat/completions", body)
        sent = only(running.simulator.observer.requests).body
        assert sent.encode() == body.replace(b'"model" : "fast"', b'"model" : "gpt-test"')


async def test_the_channels_key_goes_upstream_and_the_clients_token_does_not(house: Houses) -> None:
    import hashlib

    async with house() as running:
        for provider, model in MODELS.items():
            await running.chat(model, "Hi")
            request = running.simulator.observer.requests[-1]
            assert request.provider == provider
            assert request.key_sha256 == hashlib.sha256(KEY.encode()).hexdigest()
            assert "tg-test-token" not in repr(request.headers)


# ----------------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize("provider", MODELS)
async def test_a_stream_has_one_role_one_id_one_finish_and_done_last(house: Houses, provider: str) -> None:
    async with house() as running:
        reply = await running.chat(MODELS[provider], "Hello [sim: chunks=4]", stream=True)
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.whole
        *chunks, done = reply.events()
        assert done == "[DONE]"
        assert len({chunk["id"] for chunk in chunks}) == len({chunk["created"] for chunk in chunks}) == 1
        choices = [only(chunk["choices"]) for chunk in chunks]
        assert choices[0]["delta"]["role"] == "assistant"
        assert "".join(choice["delta"].get("content") or "" for choice in choices) == 'You said: "Hello".'
        assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
        assert only(running.records).usage.output is not None


@pytest.mark.parametrize("provider", MODELS)
async def test_the_usage_chunk_comes_to_who_asked_and_to_nobody_else(house: Houses, provider: str) -> None:
    async with house() as running:
        asked = await running.chat(MODELS[provider], "Hi", stream=True, stream_options={"include_usage": True})
        last = asked.events()[-2]
        assert last["choices"] == []
        assert last["usage"]["completion_tokens"] > 0
        unasked = await running.chat(MODELS[provider], "Hi", stream=True)
        assert all(event == "[DONE]" or event["choices"] for event in unasked.events())
        assert all(record.usage.input is not None for record in running.records)


@pytest.mark.parametrize("provider", MODELS)
async def test_events_leave_as_they_come(house: Houses, provider: str) -> None:
    async with house() as running:
        client = await running.connect()
        body = {"model": MODELS[provider], "stream": True, "messages": [{"role": "user", "content": "a b [sim: first_ms=1 chunks=3 fail=silence@2]"}]}  # fmt: skip # noqa: E501 (one request)
        await client.send("POST", "/v1/chat/completions", body)
        with trio.fail_after(5):
            await client.read_until(b'"content":"You')  # though the rest never comes
        await client.close()


# ------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", MODELS)
async def test_parallel_tool_calls_make_the_round_trip(house: Houses, provider: str, stream: bool) -> None:
    calls = 'tool=get_weather args={"city":"Paris"} tool=get_weather args={"city":"Rome"} fragments=4'
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Weather? [sim: {calls}]"}]
    async with house() as running:
        reply = await running.chat(MODELS[provider], "", messages=messages, tools=[WEATHER], stream=stream)
        assert reply.status == 200
        message, finish = assembled(reply) if stream else whole(reply)
        assert finish == "tool_calls"
        assert [msgspec.json.decode(call["function"]["arguments"]) for call in message["tool_calls"]] == [
            {"city": "Paris"},
            {"city": "Rome"},
        ]
        assert len({call["id"] for call in message["tool_calls"]}) == 2
        messages.append({"role": "assistant", "content": None, "tool_calls": message["tool_calls"]})
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": f"{degrees} degrees"}
            for call, degrees in zip(message["tool_calls"], (18, 25), strict=True)
        ]
        answered = await running.chat(MODELS[provider], "", messages=messages, tools=[WEATHER])
        assert answered.status == 200, answered.body
        assert "25 degrees" in whole(answered)[0]["content"]


def whole(reply: Any) -> tuple[dict[str, Any], str]:
    choice = only(reply.json()["choices"])
    return choice["message"], choice["finish_reason"]


def assembled(reply: Any) -> tuple[dict[str, Any], str]:
    calls: dict[int, dict[str, Any]] = {}
    finish = None
    for event in reply.events()[:-1]:
        choice = only(event["choices"])
        finish = choice["finish_reason"] or finish
        for delta in choice["delta"].get("tool_calls") or []:
            call = calls.setdefault(delta["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = delta.get("id") or call["id"]
            call["function"]["name"] += delta.get("function", {}).get("name") or ""
            call["function"]["arguments"] += delta.get("function", {}).get("arguments") or ""
    assert sorted(calls) == list(range(len(calls)))
    assert finish is not None
    return {"tool_calls": [calls[index] for index in sorted(calls)]}, finish


# ------------------------------------------------------------------------------------------------ losses


@pytest.mark.parametrize("provider", TRANSLATED)
async def test_what_is_left_out_is_listed_and_strict_refuses_it(house: Houses, provider: str) -> None:
    async with house() as running:
        model = TRANSLATED[provider]
        reply = await running.chat(model, "Hi", logit_bias={"5": 1}, n=1, messages=[{"role": "user", "content": "Hi", "name": "Ann"}])  # fmt: skip # noqa: E501 (one request)
        assert reply.status == 200
        assert set(reply.headers["x-gateway-loss"].split(", ")) == {"logit_bias", "messages.0.name"}
        assert running.records[-1].losses == 2
        seen = len(running.simulator.observer.requests)
        strict = await running.chat(model, "Hi", {"x-gateway-strict": "true"}, logit_bias={"5": 1})
        assert strict.status == 400
        assert strict.json()["error"]["code"] == "translation_loss"
        assert "/logit_bias" in strict.json()["error"]["message"]
        assert strict.headers["x-gateway-loss"] == "logit_bias"
        assert len(running.simulator.observer.requests) == seen, "nothing was sent upstream"
        assert (await running.chat(model, "Hi", {"x-gateway-strict": "true"})).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_answer_lost_is_in_the_log_however_it_came(house: Houses, stream: bool) -> None:
    async with house() as running:
        await running.chat("llama-test", "Hi", stream=stream)
        await running.chat("gpt-test", "Hi", stream=stream)
        translated, passed = running.records
        assert translated.answer_losses == len(set(translated.answer_lost)) > 0
        assert "/total_duration" in translated.answer_lost
        assert (passed.answer_losses, passed.answer_lost) == (0, [])


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "told"), [(400, 400), (401, 401), (403, 403), (404, 404), (429, 429), (500, 500), (503, 503), (529, 503)]
)
@pytest.mark.parametrize("provider", MODELS)
async def test_an_upstream_error_keeps_its_status(
    house: Houses, provider: str, status: int, told: int, stream: bool
) -> None:
    async with house() as running:
        reply = await running.chat(MODELS[provider], f"Hi [sim: status={status} retry_after=7]", stream=stream)
        assert reply.status == told
        error = reply.json()["error"]
        assert set(error) >= {"message", "type", "param", "code"}
        assert KEY not in reply.body.decode()
        if provider != "ollama":  # it sends no such header
            assert reply.headers["retry-after"] == "7"
        record = only(running.records)
        assert (record.outcome, record.status) == ("upstream_error", told)


@pytest.mark.parametrize("how", ["error@2", "cut@2", "eof@2", "fin@2"])
@pytest.mark.parametrize("provider", MODELS)
async def test_a_stream_that_breaks_ends_in_one_error_and_never_looks_finished(
    house: Houses, provider: str, how: str
) -> None:
    async with house() as running:
        reply = await running.chat(MODELS[provider], f"a b c d e f [sim: chunks=6 fail={how}]", stream=True)
        assert reply.status == 200
        events = reply.events()
        assert [event for event in events if event == "[DONE]"] == []
        assert [index for index, event in enumerate(events) if "error" in event] == [len(events) - 1]
        assert events[-1]["error"]["message"]
        assert all(choice["finish_reason"] is None for event in events[:-1] for choice in event["choices"])
        assert "".join(choice["delta"].get("content") or "" for event in events[:-1] for choice in event["choices"]), (
            "what had come was passed on"
        )
        assert only(running.records).outcome == "upstream_error"


@pytest.mark.parametrize("how", ["error@0", "cut@0", "eof@0"])
@pytest.mark.parametrize("provider", TRANSLATED)  # a Chat stream has begun with its role, before the first delta
async def test_a_break_before_the_first_event_is_a_status(house: Houses, provider: str, how: str) -> None:
    async with house() as running:
        reply = await running.chat(MODELS[provider], f"Hi [sim: fail={how}]", stream=True)
        assert reply.status >= 500
        assert reply.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", MODELS)
async def test_an_error_inside_a_200_is_an_error(house: Houses, provider: str, stream: bool) -> None:
    async with house() as running:
        reply = await running.chat(MODELS[provider], "Hi [sim: error_in_200=yes]", stream=stream)
        assert reply.status >= 400
        assert only(running.records).outcome == "upstream_error"


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        (b"not json", "invalid_json", ""),
        (b"", "invalid_json", ""),
        (b'{"model":"gpt-test"}', "invalid_value", "/messages"),
        (b'{"model":5,"messages":[]}', "invalid_value", "/model"),
        (b'{"model":"gpt-test","messages":[{"role":"user","content":5}]}', "invalid_value", "/messages/0/content"),
        (b'{"model":"gpt-test","messages":[{"role":7,"content":""}]}', "invalid_value", "/messages/0/role"),
        (b'{"model":"gpt-test","messages":[],"temperature":"hot"}', "invalid_value", "/temperature"),
        (b'{"model":"gpt-test","messages":[{"role":"user","content":"\\ud800"}]}', "invalid_json", ""),
        (b'{"model":"gpt-test","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "invalid_json", ""),
        (b'{"model":"gpt-test","messages":[{"role":"user","content":"\xff"}]}', "invalid_json", ""),
    ],
    ids=["no json", "empty", "missing", "model", "content", "role", "temperature", "surrogate", "deep", "utf-8"],
)
async def test_a_bad_body_is_a_400_with_its_path_before_anything_is_sent(
    house: Houses, body: bytes, code: str, where: str
) -> None:
    async with house() as running:
        for model in (b"gpt-test", b"claude-test"):
            reply = await running.post("/v1/chat/completions", body.replace(b"gpt-test", model))
            error = reply.json()["error"]
            assert reply.status == 400
            assert error["type"] == "invalid_request_error"
            if where:
                assert error["param"] == where or where in error["message"]
        assert running.simulator.observer.requests == []
        assert {record.outcome for record in running.records} == {"client_error"}


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_a_413_before_all_of_it_is_read(house: Houses, declared: bool) -> None:
    async with house(server={"max_body_bytes": 1000}) as running:
        client = await running.connect()
        if declared:
            await client.send("POST", "/v1/chat/completions", None, {"content-length": "100000000"})
        else:
            await client.send("POST", "/v1/chat/completions", None, {"transfer-encoding": "chunked"}, b"7d0\r\n" + b" " * 2000)  # fmt: skip # noqa: E501 (one request)
        reply = await client.read_reply()
        assert reply.status == 413
        assert reply.json()["error"]["code"] == "request_too_large"
        await client.close()


async def test_an_unreachable_upstream_is_a_502_that_names_no_key(house: Houses) -> None:
    async with house(channels={"openai": {"base_url": "http://127.0.0.1:1/v1"}}) as running:
        reply = await running.chat("gpt-test", "Hi")
        assert reply.status == 502
        assert "127.0.0.1:1" in reply.json()["error"]["message"]
        assert KEY not in reply.body.decode()


async def test_a_key_that_the_provider_quotes_is_not_passed_on(house: Houses) -> None:
    async with house(channels={"openai": {"api_key": "sk-wrong-key-0123456789"}}) as running:
        reply = await running.chat("gpt-test", "Hi")
        assert reply.status == 401
        assert "sk-wrong" not in reply.body.decode()


# ---------------------------------------------------------------------------------------------- timeouts


@pytest.mark.parametrize(
    ("directive", "timeouts", "stream", "named"),
    [
        ("silence=headers", {"first_event_s": 0.05}, False, "first_event_s"),
        ("silence=headers", {"first_event_s": 0.05}, True, "first_event_s"),
        ("silence=body", {"first_event_s": 0.05}, True, "first_event_s"),
        ("silence=body", {"total_s": 0.05}, False, "total_s"),
    ],
)
@pytest.mark.parametrize("provider", MODELS)
async def test_a_slow_upstream_is_a_504_and_is_closed(
    house: Houses, provider: str, directive: str, timeouts: dict[str, float], stream: bool, named: str
) -> None:
    async with house(timeouts=timeouts) as running:
        reply = await running.chat(MODELS[provider], f"Hi [sim: {directive}]", stream=stream)
        assert reply.status == 504
        assert named in reply.json()["error"]["message"]
        assert only(running.records).outcome == "timeout"
        with trio.fail_after(5):
            await running.simulator.observer.wait_closed()


@pytest.mark.parametrize(("timeouts", "named"), [({"gap_s": 0.1}, "gap_s"), ({"total_s": 0.3}, "total_s")])
@pytest.mark.parametrize("provider", MODELS)
async def test_a_stream_that_stops_is_told_in_band_and_closed(
    house: Houses, provider: str, timeouts: dict[str, float], named: str
) -> None:
    async with house(timeouts=timeouts) as running:
        reply = await running.chat(MODELS[provider], "a b c d [sim: chunks=4 fail=silence@2]", stream=True)
        assert reply.status == 200
        assert named in reply.events()[-1]["error"]["message"]
        assert only(running.records).outcome == "timeout"
        with trio.fail_after(5):
            await running.simulator.observer.wait_closed()


# ------------------------------------------------------------------------------------- the other endpoints


async def test_wrong_methods_and_unknown_paths_are_json_errors(house: Houses) -> None:
    async with house() as running:
        wrong = await running.get("/v1/chat/completions")
        assert (wrong.status, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
        assert "POST" in wrong.headers["allow"]
        unknown = await running.get("/v2/nothing")
        assert (unknown.status, unknown.json()["error"]["code"]) == (404, "unknown_url")
        for reply in (wrong, unknown):
            assert reply.headers["x-request-id"]
            assert reply.headers["content-type"] == "application/json"


async def test_health_needs_no_token_and_readiness_ends_with_draining(house: Houses) -> None:
    async with house() as running:
        nobody = {"authorization": ""}
        assert (await running.get("/healthz", nobody)).status == 200
        assert (await running.get("/readyz", nobody)).status == 200
        running.gateway.draining = True
        assert (await running.get("/healthz", nobody)).status == 200
        assert (await running.get("/readyz", nobody)).status == 503


async def test_the_models_of_all_channels_are_listed(house: Houses) -> None:
    async with house(channels={"openai": {"models": ["*"]}}) as running:
        listed = (await running.get("/v1/models")).json()
        assert listed["object"] == "list"
        owners = {entry["id"]: entry["owned_by"] for entry in listed["data"]}
        assert len(owners) >= 1
        assert set(owners.values()) == {"openai"}, "its pattern takes every name, and it stands first"


@pytest.mark.parametrize("model", ["gpt-test", "openai/gpt-test", "openai%2Fgpt-test", "openai/a/b%2Fc"])
async def test_a_model_is_told_by_its_id_slashes_and_all(house: Houses, model: str) -> None:
    async with house() as running:
        reply = await running.get(f"/v1/models/{model}")
        assert reply.status == 200
        assert reply.json()["id"] == model.replace("%2F", "/")
        assert reply.json()["owned_by"] == "openai"


async def test_an_unknown_model_is_a_404_that_says_which_would_work(house: Houses) -> None:
    async with house() as running:
        for reply in (await running.get("/v1/models/nobody"), await running.chat("nobody", "Hi")):
            assert reply.status == 404
            assert reply.json()["error"]["code"] == "model_not_found"
            assert "gpt-test" in reply.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{"authorization": ""}, {"authorization": "Bearer wrong"}])
async def test_without_a_valid_token_nothing_is_served(house: Houses, headers: dict[str, str]) -> None:
    async with house() as running:
        for reply in (await running.chat("gpt-test", "Hi", headers), await running.get("/v1/models", headers)):
            assert reply.status == 401
            assert reply.json()["error"]["code"] == "invalid_api_key"
        assert running.simulator.observer.requests == []


async def test_a_sane_request_id_is_kept_and_another_is_replaced(house: Houses) -> None:
    async with house() as running:
        kept = await running.chat("gpt-test", "Hi", {"x-request-id": "my-id.1"})
        assert kept.headers["x-request-id"] == "my-id.1"
        replaced = await running.chat("gpt-test", "Hi", {"x-request-id": "no good"})
        assert replaced.headers["x-request-id"].startswith("req_")
        assert running.records[0].request_id == "my-id.1"


@pytest.mark.parametrize("provider", ["openai", "ollama"])
@pytest.mark.parametrize("form", ["float", "base64"])
async def test_embeddings_come_in_the_form_that_was_asked_for(house: Houses, provider: str, form: str) -> None:
    async with house() as running:
        body = {"model": MODELS[provider], "input": ["one", "two"], "encoding_format": form}
        reply = await running.post("/v1/embeddings", body)
        assert reply.status == 200, reply.body
        entries = reply.json()["data"]
        assert [entry["index"] for entry in entries] == [0, 1]
        assert all(isinstance(entry["embedding"], str if form == "base64" else list) for entry in entries)
        assert reply.json()["usage"]["prompt_tokens"] > 0
        assert only(running.records).usage.input == reply.json()["usage"]["prompt_tokens"]


async def test_a_provider_without_embeddings_says_so(house: Houses) -> None:
    async with house() as running:
        reply = await running.post("/v1/embeddings", {"model": "claude-test", "input": "x"})
        assert reply.status == 400
        assert "serves no embeddings" in reply.json()["error"]["message"]
