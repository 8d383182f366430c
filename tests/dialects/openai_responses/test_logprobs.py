from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.openai_responses.logprobs import content_logprobs, logprobs_of

WHOLE = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.0, "bytes": [9]}]}


def entries_of(losses: Losses, **members: Any) -> list[Any]:
    return [msgspec.json.decode(entry) for entry in content_logprobs(Raw(msgspec.json.encode(members)), losses)]


def test_entries_of_responses_are_read_as_they_are() -> None:
    assert logprobs_of([Raw(b'{"token": "a"}')]) == Raw(b'{"content":[{"token": "a"}]}')


def test_a_whole_entry_is_written_as_it_came() -> None:
    spelled = b'{"token": "a", "logprob": 0, "bytes": [97], "top_logprobs": [], "new": 1}'
    assert content_logprobs(Raw(b'{"content":[' + spelled + b"]}"), []) == [Raw(spelled)]


@pytest.mark.parametrize("unknown", [{}, {"bytes": None}])
def test_bytes_that_nobody_told_are_those_of_the_text(unknown: dict[str, Any]) -> None:
    losses: Losses = []
    top = {"token": "\u65e5", "logprob": -1.0}
    entry = {"token": "a", "logprob": -0.5, "top_logprobs": [{**top, **unknown}], **unknown}
    written = {**entry, "bytes": [97], "top_logprobs": [{**top, "bytes": [0xE6, 0x97, 0xA5]}]}
    assert entries_of(losses, content=[WHOLE, entry]) == [WHOLE, written]
    assert losses == []


def test_an_entry_without_alternatives_has_an_empty_list_of_them() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [1]}
    assert entries_of([], content=[entry]) == [{**entry, "top_logprobs": []}]


def test_a_refusals_logprobs_have_no_place() -> None:
    losses: Losses = []
    assert entries_of(losses, content=None, refusal=[WHOLE]) == []
    assert [loss.pointer for loss in losses] == ["/logprobs/refusal"]


def test_entries_of_another_shape_are_a_loss() -> None:
    losses: Losses = []
    assert entries_of(losses, content=[{"token": 1}]) == []
    assert losses == [Loss("/logprobs", "of a shape that nobody here knows")]
