"""Several prompts of one request: split, and what comes of them joined."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.openai_prompts import StreamJoiner, added_up, join_answers, split_prompts
from trio_gateway.errors import InvalidRequest


@given(st.lists(st.text(), min_size=2, max_size=8))
def test_each_prompt_has_a_request_that_differs_in_nothing_else(prompts: list[str]) -> None:
    body = {"model": "m", "prompt": prompts, "n": 2, "new": {"prompt": 1}}
    split = split_prompts(msgspec.json.encode(body))
    assert split is not None
    assert split.n == 2
    assert [msgspec.json.decode(one) for one in split.bodies] == [{**body, "prompt": prompt} for prompt in prompts]


@pytest.mark.parametrize("prompt", ["a", ["a"], [], [1, 2], [[1], [2]], ["a", 1], None])
def test_what_is_not_several_texts_is_left_as_it_is(prompt: Any) -> None:
    assert split_prompts(msgspec.json.encode({"model": "m", "prompt": prompt})) is None


def test_too_many_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="64 prompts") as caught:
        split_prompts(msgspec.json.encode({"model": "m", "prompt": ["a"] * 65}))
    assert caught.value.pointer == "/prompt"


def answer(name: str, choices: list[Any], usage: Any = None) -> bytes:
    return msgspec.json.encode({"id": name, "object": "text_completion", "choices": choices, "usage": usage})


def test_choices_are_counted_on_and_usage_is_added_up() -> None:
    one = answer("a", [{"text": "x", "index": 0}, {"text": "y", "index": 1}], {"total_tokens": 3, "d": {"c": 1}})
    two = answer("b", [{"text": "z", "index": None}], {"total_tokens": 4, "d": {"c": 2}, "new": 1})
    assert msgspec.json.decode(join_answers([one, two], 2)) == {
        "id": "a",
        "object": "text_completion",
        "choices": [{"text": "x", "index": 0}, {"text": "y", "index": 1}, {"text": "z", "index": 2}],
        "usage": {"total_tokens": 7, "d": {"c": 3}},
    }


def test_what_is_unknown_of_one_is_unknown_of_all() -> None:
    joined = join_answers([answer("a", [], {"total_tokens": 3}), answer("b", [])], 1)
    assert msgspec.json.decode(joined)["usage"] is None
    assert added_up([{"a": 1, "b": None, "c": {"d": 1}}, {"a": 2, "b": 3, "c": 4}]) == {"a": 3}


def frames(*chunks: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % (chunk if chunk == b"[DONE]" else msgspec.json.encode(chunk)) for chunk in chunks)


def chunk(name: str, text: str, **more: Any) -> Any:
    return {"id": name, "choices": [{"text": text, "index": 0}], "usage": None, **more}


def test_streams_that_follow_each_other_are_one() -> None:
    joiner = StreamJoiner(3)
    total = {"id": "a", "choices": [], "usage": {"total_tokens": 2}}
    assert joiner.feed(b": waiting\n\n" + frames(chunk("a", "x"), total, b"[DONE]")) == b": waiting\n\n" + frames(
        chunk("a", "x")
    )
    joiner.next_prompt(last=True)
    second = {"id": "a", "choices": [{"text": "y", "index": 3}], "usage": None}
    both = {"id": "a", "choices": [], "usage": {"total_tokens": 5}}
    third = {"id": "b", "choices": [], "usage": {"total_tokens": 3}}
    assert joiner.feed(frames(chunk("b", "y"), third, b"[DONE]")) == frames(second, both, b"[DONE]")


def test_an_error_passes_as_it_is_and_a_usage_that_is_not_whole_is_not_told() -> None:
    joiner = StreamJoiner(1)
    assert joiner.feed(frames(chunk("a", "x"), b"[DONE]")) == frames(chunk("a", "x"))
    joiner.next_prompt(last=True)
    error = {"error": {"message": "m"}}
    usage = {"id": "b", "choices": [], "usage": {"total_tokens": 3}}
    assert joiner.feed(frames(usage, error)) == frames(error)


def test_a_providers_own_frames_are_joined_however_it_writes_them() -> None:
    joiner = StreamJoiner(1)
    own = b'data:{"choices":[{"text":"x"}]}\r\n\r\n: ping\n\ndata: {"choices":\n\n'
    first = b'data: {"choices":[{"text":"x","index":0}]}\n\n'
    assert joiner.feed(own + b"data:[DONE]\r\n\r\n") == first + b': ping\n\ndata: {"choices":\n\n'
    joiner.next_prompt(last=True)
    assert joiner.feed(b'data: {"id":"b","choices":[{"text":"y"}]}\n\ndata:[DONE]\r\n\r\n') == (
        b'data: {"id":null,"choices":[{"text":"y","index":1}]}\n\ndata:[DONE]\r\n\r\n'
    )
