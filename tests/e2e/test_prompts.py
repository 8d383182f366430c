"""The legacy completions with several prompts: an upstream call each, and one answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai
import pytest
import trio
import trio.testing

from tests.e2e.apis import PROVIDERS, sse

Houses = Callable[..., AbstractAsyncContextManager[Any]]
PATH = "/v1/completions"


def asked(model: str, *prompts: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "prompt": list(prompts), **fields}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_prompt_has_its_own_choice_in_the_prompts_order(house: Houses, provider: str) -> None:
    prompts = [f"Prompt {number} [sim: prompt=3 completion=2]" for number in range(11)]
    async with house() as running:
        reply = await running.post(PATH, asked(PROVIDERS[provider], *prompts))
        assert reply.status == 200, reply.body
        choices = reply.json()["choices"]
        assert [choice["index"] for choice in choices] == list(range(11))
        assert [choice["text"] for choice in choices] == [f'You said: "Prompt {number}".' for number in range(11)]
        assert reply.json()["usage"]["total_tokens"] == 55
        assert len(running.simulator.observer.requests) == 11
        (record,) = running.records
        assert (record.usage.input, record.usage.output, record.attempts) == (33, 22, 11)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_streams_follow_each_other_as_one(house: Houses, provider: str) -> None:
    prompts = ["One [sim: chunks=3 prompt=3 completion=2]", "Two [sim: chunks=3 prompt=4 completion=2]"]
    async with house() as running:
        body = asked(PROVIDERS[provider], *prompts, stream=True, stream_options={"include_usage": True})
        reply = await running.post(PATH, body)
        *events, total = sse(reply.body)
        assert reply.body.count(b"[DONE]") == 1
        assert reply.body.endswith(b"data: [DONE]\n\n")
        said = ["", ""]
        finished = []
        for event in events:
            for choice in event["choices"]:
                said[choice["index"]] += choice["text"]
                finished += [choice["index"]] if choice["finish_reason"] else []
        assert said == ['You said: "One".', 'You said: "Two".']
        assert finished == [0, 1]
        assert len({event["id"] for event in [*events, total]}) == 1
        assert total["usage"]["total_tokens"] == 11
        (record,) = running.records
        assert (record.outcome, record.usage.input, record.usage.output) == ("ok", 7, 4)


async def test_one_that_fails_is_the_answer_and_ends_the_others(house: Houses) -> None:
    async with house() as running:
        body = asked(
            "gpt-test",
            "Good [sim: silence=headers]",
            "Bad [sim: status=429 retry_after=7]",
            "Good [sim: silence=headers]",
        )
        with trio.fail_after(5):
            reply = await running.post(PATH, body)
        assert (reply.status, reply.headers["retry-after"]) == (429, "7")
        assert [record.outcome for record in running.records] == ["upstream_error"]


@pytest.mark.parametrize("bad", ["[sim: status=500]", "[sim: chunks=4 fail=error@2]"])
async def test_a_later_prompt_that_fails_ends_the_stream_in_band(house: Houses, bad: str) -> None:
    async with house() as running:
        reply = await running.post(PATH, asked("claude-test", "One", f"a b c d {bad}", "Three", stream=True))
        assert reply.status == 200
        *events, error = sse(reply.body)
        assert "error" in error
        assert b"[DONE]" not in reply.body
        assert {choice["index"] for event in events for choice in event["choices"]} <= {0, 1}
        assert [record.outcome for record in running.records] == ["upstream_error"]
        assert len(running.simulator.observer.requests) == 2


async def test_no_more_than_eight_are_asked_at_a_time(house: Houses) -> None:
    async with house() as running:
        observer = running.simulator.observer
        client = await running.connect()
        await client.send(
            "POST", PATH, asked("gpt-test", *[f"{number} [sim: silence=headers]" for number in range(11)])
        )
        with trio.fail_after(5):
            await observer.wait_until(lambda: len(observer.requests) >= 8)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(observer.requests) == 8
        await client.close()


# where the upstream stands, how many are asked by then, and whether the answer is streamed
MOMENTS = [("silence=headers", "before_head", 3, False), ("silence=body", "after_head", 1, True)]


@pytest.mark.parametrize(("directive", "moment", "count", "stream"), MOMENTS)
async def test_a_client_that_leaves_ends_all_of_its_calls(
    house: Houses, directive: str, moment: str, count: int, stream: bool
) -> None:
    async with house() as running:
        observer = running.simulator.observer
        client = await running.connect()
        prompts = [f"{number} [sim: {directive}]" for number in range(3)]
        await client.send("POST", PATH, asked("gpt-test", *prompts, stream=stream))
        with trio.fail_after(5):
            await observer.wait_until(
                lambda: sum(one.moment == moment and not one.how for one in observer.connections) == count
            )
            await client.close()
            await observer.wait_until(lambda: all(one.how in ("fin", "rst") for one in observer.connections))
        assert len(observer.requests) == count
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert running.gateway.channels["openai"].upstream.in_use == 0
        assert [record.outcome for record in running.records] == ["cancelled"]


async def test_openais_own_client_reads_them(house: Houses) -> None:
    def use(port: int) -> Any:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="tg-test-token", max_retries=0) as client:
            plain = client.completions.create(model="claude-test", prompt=["One", "Two"])
            stream = client.completions.create(model="claude-test", prompt=["One", "Two"], stream=True)
            return plain, list(stream)

    async with house() as running:
        plain, chunks = await trio.to_thread.run_sync(use, running.port)
        assert [choice.text for choice in plain.choices] == ['You said: "One".', 'You said: "Two".']
        said = "".join(choice.text for chunk in chunks for choice in chunk.choices)
        assert said == 'You said: "One".You said: "Two".'
