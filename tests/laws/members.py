"""The members of a body, one by one: where they are, and the body without one of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from rich_requests import OPAQUE

Path = tuple[str | int, ...]

# Members by a name that elsewhere is the client's own JSON.
_READ = frozenset({("text", "format")})


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of what a format's objects and lists hold at their ends.

    What is the client's own JSON (a schema, arguments) is one leaf, and so is an empty object or list.
    """
    if isinstance(value, dict) and value:
        for name, member in value.items():
            if name in OPAQUE and isinstance(member, dict) and (*path, name) not in _READ:
                yield (*path, name)
            else:
                yield from leaves(member, (*path, name))
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    else:
        yield path


def without(body: Any, path: Path) -> Any:
    """Return a copy of `body` that lacks what is at `path`."""
    copied = copy.deepcopy(body)
    holder = copied
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return copied


def changed_at(body: Any, path: Path) -> Any:
    """Return a copy of `body` with another value of the same type at `path`."""
    copied = copy.deepcopy(body)
    holder = copied
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = _other(holder[path[-1]])
    return copied


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return ["x"]
    return {"x": 1}


def resolve(body: Any, pointer: str) -> Path | None:
    """Return the path that a JSON pointer (RFC 6901) names in `body`; None where it names nothing."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        return None
    path: list[str | int] = []
    here = body
    for token in pointer[1:].split("/"):
        step = token.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and step in here:
            path.append(step)
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            path.append(int(step))
            here = here[int(step)]
        else:
            return None
    return tuple(path)


def pointer_of(path: Path) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


# What a dialect's provider takes as the id of a call.
ID_PATTERNS = {
    "openai_chat": r".{1,40}",
    "openai_responses": r".{1,64}",
    "anthropic_messages": r"[a-zA-Z0-9_-]+",
    "gemini": r"(?s).+",
    "ollama": r"(?s).+",
}


# What it takes as the name of a tool.
NAME_PATTERNS = {
    "openai_chat": r"[a-zA-Z0-9_-]{1,64}",
    "openai_responses": r"[a-zA-Z0-9_-]{1,128}",
    "anthropic_messages": r"[a-zA-Z0-9_-]{1,128}",
    "gemini": r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
    "ollama": r"(?s).+",
}


def wire_ids(value: Any) -> list[str]:
    """Return the ids of calls and results in a body, in order."""
    found: list[str] = []
    if isinstance(value, dict):
        found += [
            value[name] for name in ("call_id", "tool_call_id", "tool_use_id") if isinstance(value.get(name), str)
        ]
        is_call = (
            value.get("type") in ("function", "tool_use")
            or "args" in value
            or "response" in value
            or "function" in value
        )
        if isinstance(value.get("id"), str) and is_call:
            found.append(value["id"])
        value = [member for name, member in value.items() if name not in OPAQUE]
    if isinstance(value, list):
        for item in value:
            found += wire_ids(item)
    return found
