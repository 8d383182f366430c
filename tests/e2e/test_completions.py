"""The legacy completions of a model that is served there: they pass as they are, and elsewhere they are translated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import openai
import pytest
import trio

from tests.e2e.apis import only, sse
from tests.e2e.conftest import TOKEN

Houses = Callable[..., AbstractAsyncContextManager[Any]]
PATH = "/v1/completions"
HAS = {"*": {"completions": True}}
CHANNELS = {
    "openai": {"capabilities": {"gpt-test": {"completions": True}}, "models": ["gpt-test", "openai-*"]},
    "local": {"provider": "openai_compatible", "models": ["local-*"], "capabilities": HAS},
}
OWN = {"suffix": "}", "echo": True, "best_of": 3, "logprobs": 2, "min_p": 0.1, "logit_bias": {"5": -100}}


@pytest.mark.parametrize("model", ["gpt-test", "local-m"])
async def test_what_only_a_completion_can_say_reaches_who_has_it(house: Houses, model: str) -> None:
    body = b'{ "model" : "%b", "prompt":"def f(", "x":1.0, %b' % (model.encode(), msgspec.json.encode(OWN)[1:])
    async with house(channels=CHANNELS) as running:
        reply = await running.post(PATH, body, {"x-gateway-strict": "true"})
        assert reply.status == 200, reply.body
        assert "x-gateway-loss" not in reply.headers
        choice = only(reply.json()["choices"])
        assert choice["text"].startswith("def f(")
        assert choice["logprobs"]["token_logprobs"]
        assert reply.json()["system_fingerprint"] == "fp_simulated", "it is the provider's own"
        sent = only(running.simulator.observer.requests)
        assert (sent.path, sent.body) == (PATH, body.decode())
        record = only(running.records)
        assert record.usage.output == reply.json()["usage"]["completion_tokens"]
        assert (record.outcome, record.endpoint) == ("ok", "completions")


async def test_nothing_but_the_models_name_is_changed(house: Houses) -> None:
    channels = {"local": {**CHANNELS["local"], "models": ["mine"], "rename": {"mine": "theirs"}}}
    async with house(channels=channels) as running:
        body = '{"prompt" :"mine","model": "mine" , "max_tokens":0}'
        reply = await running.post(PATH, body.encode())
        assert reply.json()["model"] == "theirs"
        sent = only(running.simulator.observer.requests).body
        assert sent == body.replace('"model": "mine"', '"model": "theirs"')


@pytest.mark.parametrize("wants_usage", [True, False])
async def test_a_stream_passes_and_what_it_used_is_told_to_who_asks(house: Houses, wants_usage: bool) -> None:
    body = {"model": "gpt-test", "prompt": "a b c [sim: chunks=3 prompt=7 completion=5]", "stream": True, **OWN}
    if wants_usage:
        body["stream_options"] = {"include_usage": True}
    async with house(channels=CHANNELS) as running:
        reply = await running.post(PATH, body)
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.body.endswith(b"data: [DONE]\n\n")
        events = sse(reply.body)
        assert {event["object"] for event in events} == {"text_completion"}
        texts = [only(event["choices"])["text"] for event in events if event["choices"]]
        assert "".join(texts).startswith(body["prompt"])
        assert [bool(event.get("usage")) for event in events] == [False] * (len(events) - 1) + [wants_usage]
        sent = msgspec.json.decode(only(running.simulator.observer.requests).body)
        assert sent == {**body, "stream_options": {"include_usage": True}}
        record = only(running.records)
        assert (record.usage.input, record.usage.output) == (7, 5)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], ["a", "b"], ["a", [1]], ["a"] * 65])
async def test_prompts_of_tokens_and_several_pass_in_one_request(house: Houses, given: Any, stream: bool) -> None:
    async with house(channels=CHANNELS) as running:
        body = {"model": "gpt-test", "prompt": given, "stream": stream, "n": 2}
        reply = await running.post(PATH, body)
        assert reply.status == 200, reply.body
        answers = sse(reply.body) if stream else [reply.json()]
        seen = {choice["index"] for answer in answers for choice in answer["choices"]}
        assert seen == set(range(2 * (1 if given[0] == 1 else len(given))))
        sent = msgspec.json.decode(only(running.simulator.observer.requests).body)
        assert sent["prompt"] == given


async def test_where_nobody_says_so_a_prompt_is_a_conversation_but_for_openais_own_old_models(house: Houses) -> None:
    channels = {"openai": {"models": ["gpt-*", "davinci-002"]}}
    async with house(channels=channels) as running:
        for model in ("gpt-test", "gpt-3.5-turbo-instruct", "davinci-002"):
            assert (await running.post(PATH, {"model": model, "prompt": "Hi"})).status == 200
        assert (await running.chat("gpt-3.5-turbo-instruct", "Hi")).status == 200, "what is asked in Chat stays Chat"
        chat = "/v1/chat/completions"
        assert [sent.path for sent in running.simulator.observer.requests] == [chat, PATH, PATH, chat]


# --------------------------------------------------------------------------------- routes over both kinds


def route(*models: str) -> list[Any]:
    channels = {"local": "local", "openai": "openai", "claude": "anthropic"}
    targets = [{"channel": channels[model.split("-")[0]], "model": model} for model in models]
    return [{"model": "code", "strategy": "ordered", "targets": targets, "retry": {"backoff_s": 0.001}}]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("other", ["openai-m", "claude-test"])
async def test_who_takes_over_is_asked_in_its_own_way(house: Houses, other: str, stream: bool) -> None:
    dead = {"local": {**CHANNELS["local"], "base_url": "http://127.0.0.1:9/v1"}}
    async with house(channels={**CHANNELS, **dead}, routes=route("local-m", other)) as running:
        reply = await running.post(PATH, {"model": "code", "prompt": "Hi", "suffix": "!", "stream": stream})
        assert reply.status == 200, reply.body
        assert reply.headers["x-gateway-loss"] == "suffix"
        answers = sse(reply.body) if stream else [reply.json()]
        text = "".join(choice["text"] for answer in answers for choice in answer["choices"])
        assert text == 'You said: "Hi".'
        assert only(running.simulator.observer.requests).path != PATH
        assert only(running.records).attempts == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_tokens_go_to_the_one_that_can_take_them(house: Houses, stream: bool) -> None:
    async with house(channels=CHANNELS, routes=route("claude-test", "local-m")) as running:
        reply = await running.post(PATH, {"model": "code", "prompt": [1, 2], "stream": stream})
        assert reply.status == 200, reply.body
        assert only(running.simulator.observer.requests).path == PATH


@pytest.mark.parametrize("stream", [True, False])
async def test_several_prompts_are_asked_one_by_one_where_not_all_can_take_them(house: Houses, stream: bool) -> None:
    async with house(channels=CHANNELS, routes=route("local-m", "claude-test")) as running:
        body = {"model": "code", "prompt": ["One", "Two"], "stream": stream, "echo": True}
        reply = await running.post(PATH, body)
        assert reply.status == 200, reply.body
        answers = sse(reply.body) if stream else [reply.json()]
        said = {0: "", 1: ""}
        for choice in (choice for answer in answers for choice in answer["choices"]):
            said[choice["index"]] += choice["text"]
        assert said == {0: 'OneYou said: "One".', 1: 'TwoYou said: "Two".'}
        assert len({answer["id"] for answer in answers}) == 1
        assert reply.body.count(b"[DONE]") == stream
        assert [sent.path for sent in running.simulator.observer.requests] == [PATH, PATH]


# ------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_is_told_as_openai_tells_one(house: Houses, stream: bool) -> None:
    async with house(channels=CHANNELS) as running:
        body = {"model": "gpt-test", "prompt": "Hi [sim: status=429 retry_after=7]", "stream": stream}
        reply = await running.post(PATH, body)
        assert (reply.status, reply.headers["retry-after"]) == (429, "7")
        assert reply.json()["error"]["type"] == "rate_limit_error"
        assert only(running.records).outcome == "upstream_error"


@pytest.mark.parametrize(
    ("how", "outcome"), [("error@2", "upstream_error"), ("cut@2", "upstream_error"), ("silence@2", "timeout")]
)
async def test_a_stream_that_breaks_ends_in_an_error_and_never_in_done(house: Houses, how: str, outcome: str) -> None:
    async with house(channels=CHANNELS, timeouts={"gap_s": 0.1}) as running:
        body = {"model": "gpt-test", "prompt": f"a b c d [sim: chunks=4 fail={how}]", "stream": True}
        reply = await running.post(PATH, body)
        *events, error = sse(reply.body)
        assert "".join(only(event["choices"])["text"] for event in events)
        assert error["error"]["message"]
        assert b"[DONE]" not in reply.body
        assert only(running.records).outcome == outcome
        if how != "error@2":  # which was its answer's end: the connection is kept
            with trio.fail_after(5):
                await running.simulator.observer.wait_closed()


async def test_openais_own_client_gets_what_passes(house: Houses) -> None:
    def use(port: int) -> tuple[Any, list[Any]]:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN, max_retries=0) as client:
            asked: dict[str, Any] = {"model": "gpt-test", "suffix": "}", "logprobs": 1}
            plain = client.completions.create(prompt=[1, 2], **asked)
            streamed = list(client.completions.create(prompt="Hi", stream=True, **asked))
            with pytest.raises(openai.APIError, match="simulated provider failed"):
                list(client.completions.create(prompt="a b c [sim: chunks=3 fail=error@1]", stream=True, **asked))
            return plain, streamed

    async with house(channels=CHANNELS) as running:
        plain, streamed = await trio.to_thread.run_sync(use, running.port)
        assert plain.choices[0].text == 'You said: "1 2".'
        assert plain.choices[0].logprobs.tokens == ['You said: "1 2".']
        assert "".join(chunk.choices[0].text for chunk in streamed) == 'You said: "Hi".'
        assert {sent.path for sent in running.simulator.observer.requests} == {PATH}
