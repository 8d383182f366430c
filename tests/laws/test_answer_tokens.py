"""R15, for answers: a reasoning token goes with an answer to any client, and comes back to its issuer alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from clients import kept, next_request
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_pair, law
from normal import wrapped
from rich_answers import any_answers, frames, whole
from trips import ANY, carry, carry_answer, carry_stream, module, read_request

from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Answer, Part, Text, ToolCall
from trio_gateway.dialects.homecoming import without_foreign_tokens
from trio_gateway.errors import InvalidRequest

# Servers of Chat take earlier reasoning only where they are known to.
CLAUDE = "claude-x"
REPLAYS = Capabilities(replay_reasoning=True)


@every_pair
@law
@given(st.data(), st.booleans())
def test_r15_an_answers_tokens_come_back_to_their_issuer_and_to_nobody_else(
    source: str, target: str, data: st.DataObject, stream: bool
) -> None:
    provider, client = source, target
    sketch = data.draw(any_answers(provider))
    body = whole(provider, sketch)
    issued = dict(tokens_of(module(provider).decode_answer(body), provider))
    told, losses = carry_answer(provider, client, body)
    if stream:
        told = carry_stream(provider, client, data.draw(frames(provider, sketch)))
    try:
        request = next_request(client, kept(client, told, stream=stream))
        returned = Counter(wire_tokens(json.loads(carry(request, client, provider, REPLAYS).body)))
    except InvalidRequest:
        assume(False)
        return
    has_place = [token for token, part in issued.items() if has_a_place(client, part)]
    assert returned == Counter(has_place)
    assert losses or len(has_place) == len(issued)
    for other in set(DIALECTS) - {provider, client}:
        try:
            written = carry(request, client, other, REPLAYS).body
        except InvalidRequest:
            continue
        assert not [token for token in issued if token.rpartition(":")[2].encode() in written]


@every_pair
@law
@given(st.data(), st.booleans())
def test_r15_a_history_that_comes_home_leaves_behind_what_another_provider_signed(
    source: str, target: str, data: st.DataObject, stream: bool
) -> None:
    provider, client = source, target
    sketch = data.draw(any_answers(provider))
    body = whole(provider, sketch)
    issued = dict(tokens_of(module(provider).decode_answer(body), provider))
    told, _ = carry_answer(provider, client, body)
    if stream:
        told = carry_stream(provider, client, data.draw(frames(provider, sketch)))
    request = next_request(client, kept(client, told, stream=stream))
    try:
        read_request(client, request)
    except InvalidRequest:
        assume(False)
    written, losses = without_foreign_tokens(request, client, CLAUDE, ANY)
    before, after = json.loads(request), json.loads(written)
    assert not [token for token in wire_tokens(after) if is_namespaced(token)]
    assert b'"signature":""' not in written
    assert losses or not [token for token, part in issued.items() if has_a_place(client, part)]
    assert without_foreign_tokens(written, client, CLAUDE, ANY) == (written, [])
    for loss in sorted(losses, key=lambda loss: place_of(loss.pointer), reverse=True):
        cut_out(before, loss.pointer)
    assert solid(before) == solid(after)
    if not losses:
        assert written == request


def is_namespaced(token: str) -> bool:
    return "trio:" in token or token.startswith("dHJpbz")


def place_of(pointer: str) -> list[tuple[int, str]]:
    """Return what sorts the pointers of a body in the order of its parts."""
    return [(int(step) if step.isdigit() else 0, step) for step in pointer.split("/")]


def cut_out(body: Any, pointer: str) -> None:
    *steps, last = pointer[1:].split("/")
    for step in steps:
        body = body[int(step) if isinstance(body, list) else step]
    del body[int(last) if isinstance(body, list) else last]


def solid(value: Any) -> Any:
    """Return a value of Chat's without the carriers that hold no token any more."""
    if isinstance(value, list):
        return [solid(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {name: solid(member) for name, member in value.items()}
    return {name: member for name, member in inner.items() if member or name not in _CARRIERS}


_CARRIERS = ("reasoning_details", "extra_content", "google")


def has_a_place(client: str, part: Part) -> bool:
    """Say whether a client's format can keep the token of `part`: Ollama's cannot, Chat's has no place beside a text,
    and with a call that Gemini cannot hold its token goes."""
    if client == "gemini" and isinstance(part, ToolCall) and not part.custom:
        return wrapped(part.arguments) == part.arguments
    return client != "ollama" and not (client == "openai_chat" and isinstance(part, Text))


def tokens_of(answer: Answer, issuer: str) -> Iterator[tuple[str, Part]]:
    """Yield the tokens of an answer's first choice, each with its part."""
    for part in answer.choices[0].parts:
        token = getattr(part, "token", None)
        if token is not None and token.issuer == issuer:
            yield token.value, part


def wire_tokens(value: Any) -> Iterator[str]:
    """Yield the tokens of a request, wherever a format keeps them; of Responses with the id of their item."""
    if isinstance(value, list):
        for item in value:
            yield from wire_tokens(item)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name == "encrypted_content":
                yield f"{value.get('id', '')}:{member}"
            elif name in ("signature", "thoughtSignature", "thought_signature"):
                yield from [member] if member else []
            elif name == "data" and value.get("type") in _ENCRYPTED:
                yield member
            elif name not in ("args", "arguments") and not (name == "input" and isinstance(member, dict)):
                yield from wire_tokens(member)


_ENCRYPTED = ("redacted_thinking", "reasoning.encrypted")
