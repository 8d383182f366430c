"""A call's arguments, built from the fragments that Vertex streams: a JSON path and a value, or more of a string.

The whole is told when it is whole: no prefix of it can be, since a later fragment may go anywhere.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import UNSET

from gateway_schemas import gemini as wire_gemini

MAX_ITEMS = 10_000  # of one list: an index is the sender's word, and the list grows to it
MAX_DEPTH = 100

_step = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""", re.DOTALL).match
_encode = msgspec.json.Encoder().encode


class PartialArguments:
    """Fed fragments in their order; `problem` says what was wrong with one."""

    __slots__ = ("_open_string", "_root", "problem")

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self._open_string: tuple[str | int, ...] | None = None
        self.problem: str | None = None

    def feed(self, fragments: list[wire_gemini.PartialArg]) -> None:
        for fragment in fragments:
            path = parse_path(fragment.json_path or "")
            if path is None:
                self.problem = self.problem or f"no path of an argument: {fragment.json_path!r:.80}"
                continue
            self._set(path, fragment)

    def _set(self, path: tuple[str | int, ...], fragment: wire_gemini.PartialArg) -> None:
        value: Any
        if fragment.string_value is not UNSET and fragment.string_value is not None:
            value = [fragment.string_value]  # a list while it may grow: joined once, at the end
        elif fragment.number_value is not UNSET:
            value = fragment.number_value
        elif fragment.bool_value is not UNSET:
            value = fragment.bool_value
        elif fragment.null_value is not UNSET:
            value = None
        else:
            return
        holder: Any = self._root
        for step, following in pairwise(path):
            holder = self._enter(holder, step, {} if isinstance(following, str) else _List())
            if holder is None:
                return
        self._put(holder, path, value)
        self._open_string = path if fragment.will_continue and isinstance(value, list) else None

    def _enter(self, holder: Any, step: str | int, fresh: Any) -> Any:
        found = _get(holder, step)
        if found is None:
            return fresh if self._store(holder, step, fresh) else None
        if isinstance(found, dict if isinstance(fresh, dict) else _List):
            return found
        self.problem = self.problem or "an argument is both a value and a container"
        return None

    def _put(self, holder: Any, path: tuple[str | int, ...], value: Any) -> None:
        step = path[-1]
        if isinstance(value, list) and path == self._open_string:
            found = _get(holder, step)
            if type(found) is list:
                found += value
                return
        self._store(holder, step, value)

    def _store(self, holder: Any, step: str | int, value: Any) -> bool:
        if isinstance(step, str) and isinstance(holder, dict):
            holder[step] = value
            return True
        if isinstance(step, int) and isinstance(holder, _List) and step < MAX_ITEMS:
            items = holder.items
            items += [None] * (step + 1 - len(items))
            items[step] = value
            return True
        self.problem = self.problem or "an argument's path does not fit what came before it"
        return False

    def text(self, *, whole: bool) -> str:
        """Return the arguments. Those that are not whole are cut off, so that nobody takes them for whole."""
        text = _encode(_plain(self._root)).decode()
        return text if whole else text[:-1]


class _List:
    """A list that was made by an index; the bare lists are strings that grow."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Any] = []


def _get(holder: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return holder.get(step) if isinstance(holder, dict) else None
    return holder.items[step] if isinstance(holder, _List) and step < len(holder.items) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, _List):
        return [_plain(item) for item in value.items]
    return "".join(value) if type(value) is list else value


def parse_path(path: str) -> tuple[str | int, ...] | None:
    """Return the steps of a JSON path (RFC 9535: names and indexes only), None for anything else."""
    if not path.startswith(("$.", "$[")):
        return None
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        match = _step(path, position)
        if match is None or len(steps) >= MAX_DEPTH:
            return None
        name, index, single, double = match.groups()
        if index is not None:
            if len(index) > 9:
                return None
            steps.append(int(index))
        elif name is not None:
            steps.append(name)
        else:
            quoted = single if single is not None else double
            steps.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        position = match.end()
    return tuple(steps) if isinstance(steps[0], str) else None
