"""The names of members in either spelling: Google's ProtoJSON writes camelCase, and reads snake_case as well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st


def snake_case(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


def camel_case(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


@st.composite
def either_spelling(draw: st.DrawFn, objects: Iterable[dict[str, Any]]) -> None:
    """Spell the members of `objects` as clients do: all in camelCase, all in snake_case, or each in one of them."""
    habit = draw(st.sampled_from(("camel", "camel", "snake", "mixed")))
    for each in objects:
        members = list(each.items())
        each.clear()
        for name, value in members:
            other = snake_case(name)
            is_other = other != name and (habit == "snake" or (habit == "mixed" and draw(st.booleans())))
            each[other if is_other else name] = value


def rename_camel(objects: Iterable[dict[str, Any]]) -> None:
    """Spell all members of `objects` in camelCase."""
    for each in objects:
        members = list(each.items())
        each.clear()
        each.update((camel_case(name), value) for name, value in members)
