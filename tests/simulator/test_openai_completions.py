"""The official openai client against the simulated OpenAI's legacy completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from trio.to_thread import run_sync as in_thread

from trio_gateway.simulator import Simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=simulator.origins["openai"] + "/v1", api_key="sk-x", max_retries=0) as client:
        yield client


async def test_each_prompt_has_its_choices_which_repeat_it_where_asked(client: openai.OpenAI) -> None:
    prompts: Any = ["One", [1, 2]]
    answer = await in_thread(
        lambda: client.completions.create(model="m", prompt=prompts, n=2, echo=True, logprobs=1, suffix="!")
    )
    said = 'You said: "One\n1 2".'
    assert [choice.text for choice in answer.choices] == [f"One{said}"] * 2 + [f"1 2{said}"] * 2
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.tokens == [answer.choices[0].text]
    assert {choice.finish_reason for choice in answer.choices} == {"stop"}
    assert answer.usage is not None
    assert answer.object == "text_completion"


async def test_a_stream_says_the_same_as_the_plain_answer(client: openai.OpenAI) -> None:
    def stream() -> list[openai.types.Completion]:
        prompt = "Hi [sim: chunks=3 prompt=5 completion=7]"
        options: Any = {"include_usage": True}
        return list(client.completions.create(model="m", prompt=prompt, stream=True, stream_options=options))

    *chunks, last, usage = await in_thread(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == 'You said: "Hi".'
    assert len(chunks) == 3
    assert (last.choices[0].text, last.choices[0].finish_reason) == ("", "stop")
    assert usage.usage is not None
    assert (usage.choices, usage.usage.total_tokens) == ([], 12)


async def test_a_list_of_tokens_is_one_prompt(client: openai.OpenAI) -> None:
    answer = await in_thread(lambda: client.completions.create(model="m", prompt=[1, 2, 3]))
    assert [choice.text for choice in answer.choices] == ['You said: "1 2 3".']


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"prompt": []}, "prompt"), ({"prompt": [None]}, "prompt"), ({"prompt": None}, "prompt"),
     ({"suffix": 1}, "suffix"), ({"logprobs": True}, "logprobs")],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(client: openai.OpenAI, fields: dict[str, Any], param: str) -> None:
    asked: dict[str, Any] = {"model": "m", "prompt": "Hi", **fields}
    with pytest.raises(openai.BadRequestError) as caught:
        await in_thread(lambda: client.completions.create(**asked))
    assert caught.value.param == param
