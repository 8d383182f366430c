"""Several prompts in one request of OpenAI's legacy completions: a request for each, and one answer of all of theirs.

The choices of each prompt follow those of the one before, counted on; what was used is added up.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from trio_gateway.dialects.passage import EVENTS
from trio_gateway.dialects.passage_chat import data_of
from trio_gateway.dialects.splice import splice_member
from trio_gateway.dialects.wire import BAD_BODY, NULL, read_request
from trio_gateway.errors import InvalidRequest

PROMPTS_MAX = 64


class _Request(msgspec.Struct):
    prompt: str | list[Any] | None = None
    n: int | None = None


class _Answer(msgspec.Struct):
    """An answer, or a chunk of one."""

    choices: list[dict[str, Raw]] | None = None
    usage: dict[str, Any] | None = None
    error: Raw = NULL  # a field that may be Raw or None decodes nothing but null


_request = msgspec.json.Decoder(_Request)
_decode = msgspec.json.Decoder(_Answer).decode
_decode_index = msgspec.json.Decoder(int | None).decode
_encode = msgspec.json.Encoder().encode


class Prompts(msgspec.Struct, frozen=True):
    """A body for each prompt; each is answered by `n` choices."""

    bodies: list[bytes]
    n: int


def split_prompts(body: bytes) -> Prompts | None:
    """Return a request for each of several texts; None where there is one, or what else a prompt may be.

    Raises InvalidRequest for too many.
    """
    asked = read_request(_request, body)
    prompts = asked.prompt
    if not isinstance(prompts, list) or len(prompts) < 2 or not all(isinstance(prompt, str) for prompt in prompts):
        return None
    if len(prompts) > PROMPTS_MAX:
        raise InvalidRequest(
            f"This gateway takes {PROMPTS_MAX} prompts in a request.", code="unsupported_value", pointer="/prompt"
        )
    return Prompts([splice_member(body, "prompt", _encode(prompt)) for prompt in prompts], asked.n or 1)


def join_answers(answers: list[bytes], n: int) -> bytes:
    """Return the first answer with the choices of all; of the usage what each tells."""
    read = [_decode(answer) for answer in answers]
    choices = [_counted_on(choice, place * n) for place, one in enumerate(read) for choice in one.choices or ()]
    joined = splice_member(answers[0], "choices", _encode(choices))
    usages = [one.usage for one in read]
    known = [usage for usage in usages if usage is not None]
    if known:
        joined = splice_member(joined, "usage", _encode(added_up(known) if len(known) == len(usages) else None))
    return joined


def _counted_on(choice: dict[str, Raw], offset: int) -> dict[str, Raw]:
    index = _decode_index(choice.get("index", NULL)) or 0
    return {**choice, "index": Raw(_encode(index + offset))}


def added_up(usages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of the counts that all have. What is unknown of one is unknown of all together."""
    first, *others = usages
    sums: dict[str, Any] = {}
    for name, value in first.items():
        values = [value, *(other.get(name) for other in others)]
        if all(isinstance(one, dict) for one in values):
            sums[name] = added_up(values)
        elif all(isinstance(one, int | float) for one in values):
            sums[name] = sum(values)
    return sums


class StreamJoiner:
    """Makes one stream of those of the prompts, of which each is fed after the one before has ended.

    `feed` takes whole frames, a provider's own among them. `last` is said before the last prompt's: its end is the
    whole stream's.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._place = 0
        self._id: Raw | None = None
        self._usages: list[dict[str, Any]] = []
        self.last = False

    def next_prompt(self, *, last: bool) -> None:
        self._place += 1
        self.last = last

    def feed(self, frames: bytes) -> bytes:
        return b"".join([self._frame(frame) for frame in EVENTS.findall(frames)])

    def _frame(self, frame: bytes) -> bytes:
        data = data_of(frame)
        if data is None:
            return frame  # a comment
        if data.startswith(b"[DONE]"):
            return frame if self.last else b""
        try:
            chunk = _decode(data)
        except BAD_BODY:
            return frame  # it passed as it is, being no end: so it does here
        if chunk.error != NULL:
            return frame
        if chunk.choices:
            choices = [_counted_on(choice, self._place * self._n) for choice in chunk.choices]
            data = splice_member(data, "choices", _encode(choices))
        elif chunk.usage is not None:
            self._usages.append(chunk.usage)
            if not self.last:
                return b""
            if len(self._usages) <= self._place:
                return b""  # of some prompt it is not known
            data = splice_member(data, "usage", _encode(added_up(self._usages)))
        return b"data: %b\n\n" % self._of_one_answer(data)

    def _of_one_answer(self, data: bytes) -> bytes:
        """Return the chunk under the id of the first: to the client they are one answer."""
        if self._id is None:
            self._id = _decode_members(data).get("id", NULL)
            return data
        return splice_member(data, "id", bytes(self._id))


_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
