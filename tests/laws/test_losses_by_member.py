"""R4 on the way there, member by member: what the target is not told, a loss names, and it names nothing else."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
import pytest
from capable import capabilities
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_pair, law
from members import Path, changed_at, leaves, pointer_of, resolve, without
from no_ops import KINDS, is_repeated, says_nothing
from normal import changed, request_atoms, within
from rich_requests import rich_requests
from trips import ANY, Trip, carry
from values import dumps

from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Loss
from trio_gateway.errors import InvalidRequest


class Finding(NamedTuple):
    """A breach of the law: what kind, at which pointer, and the losses that are about it."""

    kind: str
    at: str
    why: object


class Way(NamedTuple):
    """From a source to a target, which can do this."""

    source: str
    target: str
    capabilities: Capabilities = ANY

    def go(self, body: bytes) -> Trip | None:
        """Translate a request; None for one that is refused."""
        try:
            return carry(body, self.source, self.target, self.capabilities)
        except InvalidRequest:
            return None


def findings(way: Way, body: bytes) -> list[Finding] | None:
    """Return where the losses are not the truth, None for a request that is refused."""
    there = way.go(body)
    if there is None:
        return None
    said = json.loads(body)
    found: list[Finding] = []
    named: dict[str, list[Loss]] = {}
    for loss in there.losses:
        if resolve(said, loss.pointer) is None:
            found.append(Finding("points nowhere", loss.pointer, loss.reason))
        named.setdefault(loss.pointer, []).append(loss)
    carried = {pointer_of(leaf): _is_carried(said, leaf, there, way) for leaf in leaves(said)}
    dropped = {pointer for pointer in named if _is_dropped(said, pointer, carried, there, way)}
    for leaf in leaves(said):
        at = pointer_of(leaf)
        if carried[at] is not False or says_nothing(said, leaf, way.source, way.target, way.capabilities):
            continue
        if any(within(pointer, at) for pointer in named) or any(within(at, pointer) for pointer in dropped):
            continue
        left = {at: each for at, each in carried.items() if not any(within(at, pointer) for pointer in dropped)}
        if at.endswith(KINDS) and not _holds_anything(pointer_of(leaf[:-1]), left):
            continue
        about = [loss for pointer in named if within(at, pointer) for loss in named[pointer]]
        found.append(Finding("too wide" if about else "silent", at, about))
    return found


def _is_carried(said: Any, leaf: Path, there: Trip, way: Way) -> bool | None:
    """Say whether the target's body depends on a member; None where no request goes without it, or with another."""
    other = way.go(dumps(without(said, leaf)))
    if other is not None and not is_repeated(leaf, way.source):
        return bool(json.loads(other.body) != json.loads(there.body))
    other = way.go(dumps(changed_at(said, leaf)))
    if other is None:
        return None
    return other.losses != there.losses or json.loads(other.body) != json.loads(there.body)


def _holds_anything(pointer: str, carried: dict[str, bool | None]) -> bool:
    """Say whether anything of a node is carried; its kind alone is nothing."""
    return any(is_carried for at, is_carried in carried.items() if within(at, pointer) and not at.endswith(KINDS))


def _is_dropped(said: Any, pointer: str, carried: dict[str, bool | None], there: Trip, way: Way) -> bool:
    """Say whether a loss names something that is left out whole: without it the target is told the same.

    A message of which nothing is left may leave an empty one behind.
    """
    if any(within(at, pointer) for at in carried) and not _holds_anything(pointer, carried):
        return True
    path = resolve(said, pointer)
    other = way.go(dumps(without(said, path))) if path else None
    if other is None:
        return False
    if any(resolve(without(said, path or ()), loss.pointer) is None for loss in other.losses):
        return False
    before, after = (request_atoms(trip.arrived()) for trip in (there, other))
    return changed(before, after) == ([], [])


@every_pair
@law
@given(st.data())
def test_r04_losses_name_each_member_that_is_left_out_and_no_other(
    source: str, target: str, data: st.DataObject
) -> None:
    way = Way(source, target, data.draw(capabilities))
    found = findings(way, data.draw(rich_requests(source)))
    assume(found is not None)
    assert not found


# What the law has found.
FOUND = [
    (
        "openai_chat",
        "anthropic_messages",
        (
            b'{"model":"a-model","messages":[{"role":"user","content":"a"},{"role":"assistant","content":'
            b'[{"type":"text","text":"   "},{"type":"text","text":"a"}],"annotations":[{"type":"url_citation",'
            b'"url_citation":{"url":"https://a.b","start_index":0,"end_index":3}}]}]}'
        ),
    ),
    ("ollama", "gemini", b'{"model":"a-model","messages":[{"role":"user","content":"a"}],"think":false}'),
    (
        "anthropic_messages",
        "openai_chat",
        (
            b'{"model":"a-model","messages":[{"role":"user","content":"a"}],"max_tokens":2000,"tools":[{"name":"f",'
            b'"input_schema":{"type":"object"}}],"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}}'
        ),
    ),
    (
        "gemini",
        "anthropic_messages",
        (
            b'{"contents":[{"role":"user","parts":[{"text":"a"}]},'
            b'{"role":"model","parts":[{"text":"a"},{"text":" ","thoughtSignature":"c2lnbmF0dXJl"}]}]}'
        ),
    ),
    (
        "openai_chat",
        "ollama",
        (
            b'{"model":"a-model","messages":[{"role":"user","content":"a"}],"functions":[{"name":"f","parameters":'
            b'{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}}]}'
        ),
    ),
    (
        "openai_chat",
        "gemini",
        (
            b'{"model":"a-model","messages":[{"role":"assistant","content":"a","reasoning_details":'
            b'[{"type":"reasoning.encrypted","data":"trio:openai_responses:rs_1:enc"}]}]}'
        ),
    ),
    (
        "openai_chat",
        "openai_responses",
        (
            b'{"model":"a-model","messages":[{"role":"assistant","content":"a","thinking_blocks":[{"type":"thinking",'
            b'"thinking":"a"}],"reasoning_details":[{"type":"reasoning.text","text":"b"}]}]}'
        ),
    ),
]


@pytest.mark.parametrize(("source", "target", "body"), FOUND)
def test_r04_holds_member_by_member_for_what_it_has_found(source: str, target: str, body: bytes) -> None:
    less: tuple[dict[str, Any], ...] = ({}, {"tools_with_reasoning": False}, {"efforts": frozenset()})
    for can in (msgspec.structs.replace(ANY, **lacking) for lacking in less):
        assert findings(Way(source, target, can), body) == []


IN_NAMESPACES = (
    b'{"model":"a-model","input":"a","tools":[{"type":"namespace","name":"mcp__files","description":"d","tools":['
    b'{"type":"function","name":"read"},{"type":"custom","name":"patch"},{"type":"web_search"}]},'
    b'{"type":"namespace","name":"mcp__docs","tools":[{"type":"function","name":"read"}]}]}'
)


@pytest.mark.parametrize("target", [name for name in DIALECTS if name != "openai_responses"])
@pytest.mark.parametrize("can", [ANY, msgspec.structs.replace(ANY, tools=False)])
def test_r04_holds_member_by_member_for_tools_in_namespaces(target: str, can: Capabilities) -> None:
    assert findings(Way("openai_responses", target, can), IN_NAMESPACES) == []
