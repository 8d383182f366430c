"""From what a request asks to what is answered: the one rule that all simulated providers share."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import msgspec

from trio_gateway.simulator.directives import OPEN, strip_directives
from trio_gateway.simulator.examples import example
from trio_gateway.simulator.script import Rejected, Script, ToolCall

ANY = "*"
"""As `Asked.forced`: some tool must be called, whichever."""

_QUOTED_CHARACTERS = 200
_ASKS_FOR_TOOL = re.compile(r"\btools?\b", re.IGNORECASE)
_FILLER_TEXT = "and so the answer goes on, one word after the other, until there are enough of them to fill every chunk"
_FILLER = _FILLER_TEXT.split()


_REMEMBERED_BODY_BYTES = 8192
Understood = TypeVar("Understood")
More = ParamSpec("More")


def remembered(
    understand: Callable[Concatenate[bytes, More], Understood],
) -> Callable[Concatenate[bytes, More], Understood]:
    """Understand equal bodies once: a benchmark sends the same one many times. What is returned must not be changed."""
    at_once = cast(Callable[Concatenate[bytes, More], Understood], lru_cache(maxsize=512)(understand))

    def choose(body: bytes, /, *more: More.args, **named: More.kwargs) -> Understood:
        return (at_once if len(body) <= _REMEMBERED_BODY_BYTES else understand)(body, *more, **named)

    return choose


class OfferedTool(msgspec.Struct, frozen=True):
    name: str
    schema: Any = None


class Asked(msgspec.Struct, kw_only=True):
    """A request, as far as the answer depends on it."""

    model: str
    stream: bool = False
    system_text: str = ""
    user_text: str = ""
    """The last text of the user."""
    tool_result: str | None = None
    """What the tools said, when that is how the conversation ends."""
    tools: list[OfferedTool] = []
    """Those that may be called now."""
    forced: str = ""
    """A tool's name, ANY, or "": as the model likes."""
    schema: Any = None
    """The JSON Schema the answer must fit; True: any JSON object; None: free text."""
    bare: bool = False
    """A string that fits the schema comes as it is, not as JSON (Gemini's text/x.enum)."""
    characters: int = 0
    """How long the prompt is, for the usage."""


def decide(asked: Asked, defaults: Script) -> Script:
    """Return the script to play: the defaults, changed by directives, filled in from the request.

    Raises Rejected for a directive that is wrong, and for the status that one asks for.
    """
    user_text = asked.user_text
    changes: dict[str, Any] = {}
    if OPEN in asked.system_text:
        changes.update(strip_directives(asked.system_text)[1])
    if OPEN in user_text:
        user_text, more = strip_directives(user_text)
        changes.update(more)
    # The directive that made a call must not make it again when its result comes back.
    if asked.tool_result is not None:
        changes.pop("tool_calls", None)
    script = msgspec.structs.replace(defaults, **changes) if changes else defaults
    if script.status != 200:
        raise _rejected(script)
    calls = script.tool_calls or _calls(asked, user_text, script)
    text = script.text if calls or script.refusal or script.text is not None else _text(asked, user_text, script)
    written = len(text or "") + len(script.reasoning) + sum(len(call.arguments) for call in calls)
    return msgspec.structs.replace(
        script,
        text=text,
        tool_calls=_with_arguments(calls, asked),
        prompt_tokens=_count(asked.characters) if script.prompt_tokens is None else script.prompt_tokens,
        completion_tokens=_count(written) if script.completion_tokens is None else script.completion_tokens,
    )


def _rejected(script: Script) -> Rejected:
    return Rejected(
        script.status,
        f"The simulated provider was asked for status {script.status}.",
        kind=script.error_kind,
        retry_after_s=script.retry_after_s,
        latency_s=script.latency_s,
    )


def failure(script: Script) -> Rejected:
    """Return the error that a script of status 200 ends in."""
    return Rejected(500, "The simulated provider failed.", kind=script.error_kind, latency_s=script.latency_s)


def _count(characters: int) -> int:
    return max(1, characters // 4)


def _calls(asked: Asked, user_text: str, script: Script) -> tuple[ToolCall, ...]:
    """Return the call that the request asks for without a directive, if it does."""
    if not asked.tools or script.text is not None or script.refusal:
        return ()
    if asked.forced:
        name = asked.tools[0].name if asked.forced == ANY else asked.forced
        return (ToolCall(name, ""),)
    if asked.tool_result is not None:
        return ()
    named = next((tool.name for tool in asked.tools if tool.name in user_text), None)
    if named is None and _ASKS_FOR_TOOL.search(user_text):
        named = asked.tools[0].name
    return () if named is None else (ToolCall(named, ""),)


def _with_arguments(calls: tuple[ToolCall, ...], asked: Asked) -> tuple[ToolCall, ...]:
    """Make up the arguments of the calls that came without, from the tool's schema."""
    if not calls:
        return ()
    schemas = {tool.name: tool.schema for tool in asked.tools}
    return tuple(
        call if call.arguments else ToolCall(call.name, _json(example(schemas.get(call.name)) or {})) for call in calls
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text(asked: Asked, user_text: str, script: Script) -> str:
    if asked.schema is not None:
        value = {"answer": user_text[:_QUOTED_CHARACTERS]} if asked.schema is True else example(asked.schema)
        return value if asked.bare and isinstance(value, str) else _json(value)
    if asked.tool_result is not None:
        return _filled(f'The tool answered: "{asked.tool_result[:_QUOTED_CHARACTERS]}".', script.chunks)
    return _filled(f'You said: "{user_text[:_QUOTED_CHARACTERS]}".', script.chunks)


@lru_cache(maxsize=256)
def _filled(text: str, deltas: int) -> str:
    """Lengthen a made-up text that is too short to be cut into so many deltas, until each has a word of its own."""
    if len(text) >= deltas:
        return text
    rounds, rest = divmod(deltas - text.count(" ") - 1, len(_FILLER))
    return " ".join([text, *_FILLER * rounds, *_FILLER[:rest]])
