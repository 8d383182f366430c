"""Names of tools that a target takes, one for each of a client's, and the way back.

    conversation, names = fit_names(conversation, target.TOOL_NAMES)     None: all are as they were
    answer = rename_answer(answer, names)                                a call by the client's own name again

A name that the target allows stays as it is. In any other each misfit is written `_xHEX_`; where that is too long, or
another tool's name, it is cut, and a hash makes it one of a kind. Which name becomes which is a function of the
request alone, and kept until its answer has come. What comes first decides, so that a longer history begins with
the very names of the shorter one; a name that only looks like one of ours is nobody's but the client's.

A tool in a namespace goes, where the target has none, by the two in one: `mcp__files` and `read` are
`mcp__files__read`, and fitted like any other name. A tool that is called so itself, and is on offer, keeps the name.

Where there are no tools that take free text, the name of the function that stands for one ends in CUSTOM_MARK: a call
of it can be told from a function's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import count, zip_longest
from typing import NamedTuple

import msgspec

from trio_gateway.dialects.conversation import (
    Answer,
    Choice,
    Conversation,
    Part,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from trio_gateway.dialects.events import AnswerEvent, Open
from trio_gateway.errors import InvalidRequest

CUSTOM_MARK = "-x0_"

# A choice among some tools may be left with none. An empty list would let the model call any in some dialects.
NOT_OFFERED = "there is no such tool among those on offer: it cannot be allowed"
NOTHING_ALLOWED = "none of the tools that are allowed can be offered: none may be called"

_HASH_BYTES = 5
_JOINT = "__"  # between a namespace and a name, as clients write it within their namespaces

_replace = msgspec.structs.replace


class OwnName(NamedTuple):
    """What a client calls a tool: its name, and the namespace that it is in, if any."""

    name: str
    namespace: str | None = None


class NameRules(msgspec.Struct, frozen=True):
    """What a dialect takes as the name of a tool.

    `legal` matches whole names of up to `length_max` characters, `misfit` finds the characters that have no place in
    one. `marks` says that CUSTOM_MARK is put behind the names of tools that take free text: no other name ends so.
    `namespaces` says that the dialect has those itself: they stay as they are.
    """

    legal: Callable[[str], re.Match[str] | None]
    misfit: re.Pattern[str]
    length_max: int
    marks: bool = False
    namespaces: bool = False

    @property
    def room(self) -> int:
        """How long a name may be, whatever kind of tool it is of."""
        return self.length_max - len(CUSTOM_MARK) if self.marks else self.length_max


_ANY_NAME = NameRules(re.compile(r"(?s).+").match, re.compile(r"(?!)"), length_max=1 << 30)


def fit_names(conversation: Conversation, rules: NameRules | None) -> tuple[Conversation, dict[str, OwnName] | None]:
    """Return the conversation with names that `rules` allow, and the client's own by those that stand for them.

    None where nothing had to change. The conversation given is not changed. Hosted tools and empty names are left.
    """
    rules = rules or _ANY_NAME
    names, in_namespaces = _names(conversation)
    if not in_namespaces or rules.namespaces:
        unlike = dict.fromkeys(names)
        if all(map(rules.legal, unlike)) and (not rules.marks or max(map(len, unlike), default=0) <= rules.room):
            return conversation, None
        own_names = list(map(OwnName, unlike))
    else:
        own_names = _own_names(conversation)
    fitted = _fitted(own_names, _offered(conversation, rules), _Fit(conversation, rules))
    told = {fit: own for own, fit in fitted.items() if own != (fit, None)}
    if not told:
        return conversation, None
    if rules.namespaces:
        return _rename(conversation, lambda own: OwnName(fitted.get(OwnName(own.name), own.name), own.namespace)), told
    return _rename(conversation, lambda own: OwnName(fitted.get(own, own.name))), told


def rename_conversation(conversation: Conversation, names: Mapping[str, OwnName]) -> Conversation:
    """Return the conversation with the tools by what `names` has in the place of theirs, in calls and results too."""
    return _rename(conversation, lambda told: _own(told, names))


def rename_answer(answer: Answer, names: Mapping[str, OwnName]) -> Answer:
    """Return the answer with the calls by what `names` has in the place of theirs."""
    return _replace(answer, choices=[_rename_choice(choice, names) for choice in answer.choices])


def rename_events(events: list[AnswerEvent], names: Mapping[str, OwnName]) -> list[AnswerEvent]:
    """Return the events with the calls by what `names` has in the place of theirs."""
    return [
        _replace(event, **_own(OwnName(event.name, event.namespace), names)._asdict())
        if isinstance(event, Open) and event.name in names
        else event
        for event in events
    ]


def _own(told: OwnName, names: Mapping[str, OwnName]) -> OwnName:
    """Return the client's name for what a target was told. What has a namespace there keeps it."""
    own = names.get(told.name)
    return told if own is None else OwnName(own.name, own.namespace or told.namespace)


def chosen_names(choice: ToolChoice) -> list[OwnName]:
    """Return the tools that are chosen, with the namespaces that some of them are in."""
    return [OwnName(*own) for own in zip_longest(choice.names, choice.namespaces)]


def mark_name(name: str, custom: bool) -> str:
    """Return a tool's name, marked where it takes free text."""
    return name + CUSTOM_MARK if custom else name


def carry_name(name: str, at: str, custom: bool = False) -> str:
    """Return a tool's name, marked where it takes free text. Raises InvalidRequest, pointing at `at`, for no name."""
    if not name:
        raise InvalidRequest("A tool needs a name.", code="invalid_value", pointer=at)
    return mark_name(name, custom)


def recognise_name(name: str) -> tuple[str, bool]:
    """Return the name that was marked, and whether the tool takes free text."""
    if name.endswith(CUSTOM_MARK) and len(name) > len(CUSTOM_MARK):
        return name[: -len(CUSTOM_MARK)], True
    return name, False


# ---------------------------------------------------------------------------------------------- fitting


class _Fit:
    """The names that one target takes for the tools of one conversation."""

    def __init__(self, conversation: Conversation, rules: NameRules) -> None:
        self._rules = rules
        self._room = rules.room
        self._conversation = conversation

    def is_legal(self, own: OwnName) -> bool:
        name = _joined(own)
        return bool(self._rules.legal(name)) and (len(name) <= self._room or not self._takes_free_text(own))

    def candidates(self, own: OwnName) -> Iterator[str]:
        """Give what may stand for a tool's own name, the best first, without an end."""
        name = _joined(own)
        if self.is_legal(own):
            yield name
        escaped = self._rules.misfit.sub(_escape, name)
        if len(escaped) <= self._room:
            yield escaped
        unique = own.name if own.namespace is None else f"{own.namespace}\0{own.name}"
        for salt in count():
            digest = blake2b(f"{salt}:{unique}".encode(), digest_size=_HASH_BYTES).hexdigest()
            yield f"{escaped[: self._room - len(digest) - 1]}_{digest}"

    def _takes_free_text(self, own: OwnName) -> bool:
        source = self._conversation
        return any(tool.kind == "custom" and (tool.name, tool.namespace) == own for tool in source.tools) or any(
            isinstance(part, ToolCall) and part.custom and (part.name, part.namespace) == own
            for turn in source.turns
            for part in turn.parts
        )


def _joined(own: OwnName) -> str:
    if own.namespace is None:
        return own.name
    return own.namespace + ("" if own.namespace.endswith(_JOINT) else _JOINT) + own.name


def _fitted(own_names: Iterable[OwnName], offered: Iterable[OwnName], fit: _Fit) -> dict[OwnName, str]:
    """Return what stands for each tool. What is `offered` keeps its name before anything else."""
    fitted = {own: own.name for own in offered if fit.is_legal(own)}
    taken = set(fitted.values())
    for own in own_names:
        if own not in fitted:
            fitted[own] = next(one for one in fit.candidates(own) if one not in taken)
            taken.add(fitted[own])
    return fitted


def _names(conversation: Conversation) -> tuple[list[str], bool]:
    """Return the names of tools, those on offer and then those of the history in their order, and whether any is in a
    namespace."""
    names: list[str] = []
    in_namespaces = False
    for tool in conversation.tools:
        if tool.kind != "hosted" and tool.name:
            names.append(tool.name)
            in_namespaces = in_namespaces or tool.namespace is not None
    for turn in conversation.turns:
        for part in turn.parts:
            kind = type(part)  # `isinstance` with two types costs three times as much
            if (kind is ToolCall or kind is ToolResult) and part.name:  # type: ignore[union-attr]  # `is` narrows nothing
                names.append(part.name)  # type: ignore[union-attr]  # as above
                in_namespaces = in_namespaces or part.namespace is not None  # type: ignore[union-attr]  # as above
    if conversation.tool_choice is not None:
        names += filter(None, conversation.tool_choice.names)
        in_namespaces = in_namespaces or bool(conversation.tool_choice.namespaces)
    return names, in_namespaces


def _own_names(conversation: Conversation) -> list[OwnName]:
    """Return the names of tools with their namespaces, in the order of `_names`."""
    found = [OwnName(tool.name, tool.namespace) for tool in conversation.tools if tool.kind != "hosted"]
    for turn in conversation.turns:
        found += [
            OwnName(part.name, part.namespace)
            for part in turn.parts
            if isinstance(part, ToolCall | ToolResult) and part.name is not None
        ]
    if conversation.tool_choice is not None:
        found += chosen_names(conversation.tool_choice)
    return [own for own in found if own.name or own.namespace]


def _offered(conversation: Conversation, rules: NameRules) -> list[OwnName]:
    """Return the names on offer that are not put together of two."""
    return [
        OwnName(tool.name)
        for tool in conversation.tools
        if tool.kind != "hosted" and (tool.namespace is None or rules.namespaces)
    ]


def _escape(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):X}_"


# --------------------------------------------------------------------------------------------- renaming


def _rename(conversation: Conversation, renamed: Callable[[OwnName], OwnName]) -> Conversation:
    choice = conversation.tool_choice
    return _replace(
        conversation,
        tools=[_rename_tool(tool, renamed) for tool in conversation.tools],
        tool_choice=None if choice is None else _rename_tool_choice(choice, renamed),
        turns=[
            _replace(turn, parts=[_rename_part(part, renamed) for part in turn.parts]) for turn in conversation.turns
        ],
    )


def _rename_tool(tool: Tool, renamed: Callable[[OwnName], OwnName]) -> Tool:
    if tool.kind == "hosted":
        return tool
    name, namespace = renamed(OwnName(tool.name, tool.namespace))
    return _replace(tool, name=name, namespace=namespace)


def _rename_tool_choice(choice: ToolChoice, renamed: Callable[[OwnName], OwnName]) -> ToolChoice:
    if not choice.names:
        return choice
    chosen = [renamed(own) for own in chosen_names(choice)]
    namespaces = [own.namespace for own in chosen]
    return _replace(choice, names=[own.name for own in chosen], namespaces=namespaces if any(namespaces) else [])


def _rename_choice(choice: Choice, names: Mapping[str, OwnName]) -> Choice:
    return _replace(choice, parts=[_rename_part(part, lambda told: _own(told, names)) for part in choice.parts])


def _rename_part(part: Part, renamed: Callable[[OwnName], OwnName]) -> Part:
    if isinstance(part, ToolCall | ToolResult) and part.name is not None:
        name, namespace = renamed(OwnName(part.name, part.namespace))
        return _replace(part, name=name, namespace=namespace)
    return part
