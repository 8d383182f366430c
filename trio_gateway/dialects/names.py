"""Names of tools that a target takes, one for each of a client's, and the way back.

    conversation, names = fit_names(conversation, target.TOOL_NAMES)     None: all are as they were
    answer = rename_answer(answer, names)                                a call by the client's own name again

A name that the target allows stays as it is. In any other each misfit is written `_xHEX_`; where that is too long, or
another tool's name, it is cut, and a hash makes it one of a kind. Which name becomes which is a function of the
request alone, and kept until its answer has come. What comes first decides, so that a longer history begins with
the very names of the shorter one; a name that only looks like one of ours is nobody's but the client's.

Where there are no tools that take free text, the name of the function that stands for one ends in CUSTOM_MARK: a call
of it can be told from a function's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import count

import msgspec

from trio_gateway.dialects.conversation import Answer, Choice, Conversation, Part, Tool, ToolCall, ToolResult, Turn
from trio_gateway.dialects.events import AnswerEvent, Open
from trio_gateway.errors import InvalidRequest

CUSTOM_MARK = "-x0_"

_HASH_BYTES = 5

_replace = msgspec.structs.replace


class NameRules(msgspec.Struct, frozen=True):
    """What a dialect takes as the name of a tool.

    `legal` matches whole names of up to `length_max` characters, `misfit` finds the characters that have no place in
    one. `marks` says that CUSTOM_MARK is put behind the names of tools that take free text: no other name ends so.
    """

    legal: Callable[[str], re.Match[str] | None]
    misfit: re.Pattern[str]
    length_max: int
    marks: bool = False

    @property
    def room(self) -> int:
        """How long a name may be, whatever kind of tool it is of."""
        return self.length_max - len(CUSTOM_MARK) if self.marks else self.length_max


def fit_names(conversation: Conversation, rules: NameRules | None) -> tuple[Conversation, dict[str, str] | None]:
    """Return the conversation with names that `rules` allow, and the client's own by those that stand for them.

    None where nothing had to change. The conversation given is not changed. Hosted tools and empty names are left.
    """
    if rules is None:
        return conversation, None
    names = dict.fromkeys(_names(conversation))
    if all(map(rules.legal, names)) and (not rules.marks or max(map(len, names), default=0) <= rules.room):
        return conversation, None
    offered = {tool.name for tool in conversation.tools if tool.kind != "hosted"}
    fitted = _fitted(names, offered, _Fit(conversation, rules))
    if not fitted:
        return conversation, None
    return rename_conversation(conversation, fitted), {fit: name for name, fit in fitted.items()}


def rename_conversation(conversation: Conversation, names: Mapping[str, str]) -> Conversation:
    """Return the conversation with other names of its tools, in their calls and results too."""
    choice = conversation.tool_choice
    if choice is not None and choice.names:
        choice = _replace(choice, names=[names.get(name, name) for name in choice.names])
    return _replace(
        conversation,
        tools=[_rename_tool(tool, names) for tool in conversation.tools],
        tool_choice=choice,
        turns=[_rename_turn(turn, names) for turn in conversation.turns],
    )


def rename_answer(answer: Answer, names: Mapping[str, str]) -> Answer:
    """Return the answer with the calls by what `names` has in the place of theirs."""
    return _replace(answer, choices=[_rename_choice(choice, names) for choice in answer.choices])


def rename_events(events: list[AnswerEvent], names: Mapping[str, str]) -> list[AnswerEvent]:
    """Return the events with the calls by what `names` has in the place of theirs."""
    return [
        _replace(event, name=names[event.name]) if isinstance(event, Open) and event.name in names else event
        for event in events
    ]


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

    def is_legal(self, name: str) -> bool:
        return bool(self._rules.legal(name)) and (len(name) <= self._room or not self._takes_free_text(name))

    def candidates(self, name: str) -> Iterator[str]:
        """Give what may stand for `name`, the best first, without an end."""
        if self.is_legal(name):
            yield name
        escaped = self._rules.misfit.sub(_escape, name)
        if len(escaped) <= self._room:
            yield escaped
        for salt in count():
            digest = blake2b(f"{salt}:{name}".encode(), digest_size=_HASH_BYTES).hexdigest()
            yield f"{escaped[: self._room - len(digest) - 1]}_{digest}"

    def _takes_free_text(self, name: str) -> bool:
        source = self._conversation
        return any(tool.name == name and tool.kind == "custom" for tool in source.tools) or any(
            isinstance(part, ToolCall) and part.custom and part.name == name
            for turn in source.turns
            for part in turn.parts
        )


def _fitted(names: Iterable[str], offered: Iterable[str], fit: _Fit) -> dict[str, str]:
    """Return what stands for each name that cannot stay. What is on offer keeps its name before anything else."""
    taken = {name for name in offered if fit.is_legal(name)}
    fitted = {name: name for name in taken}
    for name in names:
        if name not in fitted:
            fitted[name] = next(one for one in fit.candidates(name) if one not in taken)
            taken.add(fitted[name])
    return {name: one for name, one in fitted.items() if one != name}


def _names(conversation: Conversation) -> list[str]:
    """Return the names of tools: those on offer, then those of calls and results in their order."""
    names = [tool.name for tool in conversation.tools if tool.kind != "hosted" and tool.name]
    for turn in conversation.turns:
        for part in turn.parts:
            kind = type(part)  # `isinstance` with two types costs three times as much
            if (kind is ToolCall or kind is ToolResult) and part.name:  # type: ignore[union-attr]  # `is` narrows nothing
                names.append(part.name)  # type: ignore[union-attr]  # as above
    if conversation.tool_choice is not None:
        names += filter(None, conversation.tool_choice.names)
    return names


def _escape(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):X}_"


# --------------------------------------------------------------------------------------------- renaming


def _rename_tool(tool: Tool, names: Mapping[str, str]) -> Tool:
    return tool if tool.kind == "hosted" or tool.name not in names else _replace(tool, name=names[tool.name])


def _rename_turn(turn: Turn, names: Mapping[str, str]) -> Turn:
    return _replace(turn, parts=[_rename_part(part, names) for part in turn.parts])


def _rename_choice(choice: Choice, names: Mapping[str, str]) -> Choice:
    return _replace(choice, parts=[_rename_part(part, names) for part in choice.parts])


def _rename_part(part: Part, names: Mapping[str, str]) -> Part:
    if isinstance(part, ToolCall | ToolResult) and (name := part.name) and name in names:
        return _replace(part, name=names[name])
    return part
