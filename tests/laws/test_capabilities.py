"""R18: a target that can do less is asked for less, and for the same in all else."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
from capable import ALL, LESS
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_pair, law
from normal import covers
from rich_requests import rich_requests
from spellings import camel_case
from trips import carry

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.errors import InvalidRequest

_CONTENT = frozenset({"messages", "input", "contents"})
_SYSTEM = frozenset({"system", "systemInstruction"})
_LIMIT = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict"})
_SAMPLING = frozenset({"temperature", "top_p", "top_k", "topP", "topK", "min_p"})
_TOOLS = frozenset({"tools", "tool_choice", "toolConfig", "parallel_tool_calls"})
# Thinking takes room from the limit, and excludes sampling and forced calls.
_THINKING = frozenset({
    "reasoning_effort", "reasoning", "thinking", "output_config", "thinkingConfig", "think", "include",
    "max_tokens", "temperature", "top_p", "top_k", "tool_choice",
})  # fmt: skip


class Effect(NamedTuple):
    """The members of a body that may change where a capability is lacking."""

    affects: frozenset[str]
    is_said: bool = True  # a loss says so where it changes anything


# Every field there is: the test below sees to it.
EFFECTS: dict[str, Effect] = {
    # A default in the place of none leaves nothing out that the client wrote.
    "default_max_output_tokens": Effect(_THINKING, is_said=False),
    "max_output_tokens": Effect(_LIMIT | _THINKING),
    "sampling": Effect(_SAMPLING),
    "thinking": Effect(_THINKING),
    "efforts": Effect(_THINKING),
    "prefill": Effect(frozenset()),
    "system_in_conversation": Effect(_CONTENT | _SYSTEM | _THINKING),
    "structured_output": Effect(frozenset({
        "response_format", "text", "output_config", "responseMimeType", "responseJsonSchema", "format",
    })),
    "image_urls": Effect(frozenset()),
    "images": Effect(_CONTENT),
    "files": Effect(_CONTENT),
    "audio": Effect(_CONTENT),
    "tools": Effect(_TOOLS),
    "tools_with_reasoning": Effect(_THINKING),
    "stop_sequences": Effect(frozenset({"stop", "stop_sequences", "stopSequences"})),
    # The same said in another way, as nearly as it can be.
    "reasoning_by": Effect(frozenset({"thinkingConfig"}), is_said=False),
    "cache_breakpoints": Effect(_CONTENT | {"prompt_cache_options"}),
    "replay_reasoning": Effect(_CONTENT),
    # It decides where a request goes, and of a translated one nothing.
    "completions": Effect(frozenset()),
    # To want a signature where there is none is answered with Google's own word for it.
    "thought_signatures": Effect(frozenset({"contents"}), is_said=False),
}  # fmt: skip

# That encrypted reasoning comes along is the gateway's own wish.
_OWN = frozenset({"include"})


def test_r18_covers_every_capability() -> None:
    assert set(EFFECTS) == set(LESS) == set(Capabilities.__struct_fields__)


@every_pair
@law
@given(st.data())
def test_r18_less_capability_only_adds_losses(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source))
    lacking = data.draw(st.sampled_from(sorted(LESS)))
    effect = EFFECTS[lacking]
    try:
        full = carry(body, source, target, ALL)
    except InvalidRequest:
        assume(False)
        return
    try:
        reduced = carry(body, source, target, msgspec.structs.replace(ALL, **{lacking: LESS[lacking]}))
    except InvalidRequest:
        return  # for what the target cannot do without: then the refusal says so
    before, after = json.loads(full.body), json.loads(reduced.body)
    asked = full.conversation.reasoning
    is_off = asked is not None and (asked.effort == "none" or asked.mode == "disabled")
    if effect.is_said and _at_all(before) != _at_all(after) and not (is_off and effect.affects == _THINKING):
        assert set(reduced.losses) - set(full.losses)
    affected = effect.affects
    if _turns(before) != _turns(after):
        # A turn of which nothing was left is gone: what then stands last decides whether there may be thinking.
        affected |= _THINKING
    assert _without(before, affected) == _without(after, affected)
    for loss in full.losses:
        about = camel_case(loss.pointer.split("/")[1]) if source == "gemini" else loss.pointer.split("/")[1]
        assert covers(reduced.losses, loss.pointer) or about in affected or _maps_to(about) & affected


def _maps_to(member: str) -> frozenset[str]:
    """Return what a member of any source becomes, for those whose losses depend on thinking or on each other."""
    return {
        "options": _SAMPLING | _THINKING,
        "generationConfig": _SAMPLING | _THINKING,
        "toolConfig": _TOOLS,
        "reasoning_effort": _THINKING,
        "think": _THINKING,
        "thinking": _THINKING,
        "output_config": _THINKING,
    }.get(member, frozenset())


def _at_all(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body without what is there of the gateway's own accord, or is the default of every model."""
    found = _without(body, _OWN)
    for holder in (found, found.get("options", {}), found.get("generationConfig", {})):
        for name in ("temperature", "top_p", "topP"):
            if holder.get(name) == 1:
                del holder[name]
    return {name: member for name, member in found.items() if member != {}}


def _turns(body: dict[str, Any]) -> int:
    turns = body.get("messages") or body.get("contents") or body.get("input") or []
    return 1 if isinstance(turns, dict) else len(turns)


def _without(body: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the body without what may differ, in its options and configuration too."""
    found = {name: value for name, value in body.items() if name not in names}
    for inner in ("options", "generationConfig"):
        if inner in found:
            found[inner] = {name: value for name, value in found[inner].items() if name not in names}
            if not found[inner]:
                del found[inner]
    return found
