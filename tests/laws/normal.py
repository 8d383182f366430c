"""Normal forms: what a request or an answer says, without how it happens to be written.

A request's normal form N_F is a list of atoms: one for each scalar, turn, part, tool and mark, with the JSON pointer of
what it was read from. It holds nothing that dialect F leaves open:

- nulls, and defaults that ask for nothing, are absent; empty texts are too;
- tool arguments and schemas are JSON values, not texts;
- call ids are numbered in their order, for dialects may have ids of their own (law R6 looks at ids themselves);
- turns of one role in a row are one turn where F's server takes them so (Anthropic, Gemini), texts in a row one text
  where F has one text only (an assistant of Chat, any message of Ollama);
- tools that must not be called are no tools, so that a choice among some is those alone; what is said of calls
  where there are no tools is nothing, and a function without a schema takes an empty object;
- redacted reasoning is its token.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import msgspec

from trio_gateway.dialects.conversation import (
    Answer,
    Audio,
    Conversation,
    File,
    Image,
    Loss,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Token,
    Tool,
    ToolCall,
    ToolResult,
)
from trio_gateway.dialects.members import citations_at, member
from trio_gateway.dialects.names import OwnName, chosen_names

_SCALARS = (
    "model",
    "parallel_tool_calls",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "logprobs",
    "top_logprobs",
    "verbosity",
    "user",
    "store",
    "service_tier",
    "cache_key",
    "stream",
)

# What asks for nothing but what happens anyway, in every dialect that has the field.
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "parallel_tool_calls": (True,),
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "min_p": (0,),
    "temperature": (1,),
    "top_p": (1,),
    "verbosity": ("medium",),
    "service_tier": ("auto", "default"),
    "store": (False,),
}

_HIDES_THOUGHTS = frozenset({"gemini", "openai_responses"})  # unless asked to show them
_MERGES_TURNS = frozenset({"anthropic_messages", "gemini"})


class Atom(NamedTuple):
    """One thing that is said. `says` compares; `at` is where it was said."""

    says: tuple[Any, ...]
    at: str
    turn: str = ""  # the pointer of the turn it is in


def value_of(raw: bytes | str | msgspec.Raw | None) -> Any:
    """Return JSON as a value that compares as R7 has it: objects unordered, 1.0 like 1; other text as it is."""
    if raw is None:
        return None
    text = raw if isinstance(raw, str) else bytes(raw).decode()
    try:
        return frozen(json.loads(text))
    except ValueError:
        return ("text", text)


def frozen(value: Any) -> Any:
    """Return a JSON value that can be hashed. True is not 1, and 1.0 is."""
    if isinstance(value, dict):
        return ("object", frozenset((key, frozen(member)) for key, member in value.items()))
    if isinstance(value, list):
        return ("array", tuple(frozen(item) for item in value))
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def apart_from_closing(schema: Any, path: tuple[Any, ...] = ()) -> tuple[Any, list[tuple[Any, ...]]]:
    """Return a frozen schema without `additionalProperties: false`, and the paths of the objects that said so.

    So what closes an object more than the client said is told from what no longer closes one.
    """
    if not isinstance(schema, tuple) or schema[0] not in ("object", "array"):
        return schema, []
    named = sorted(schema[1], key=lambda pair: pair[0]) if schema[0] == "object" else list(enumerate(schema[1]))
    closing, members = ("additionalProperties", ("bool", False)), []
    closed = [path] if closing in named else []
    for name, value in named:
        if (name, value) != closing:
            value, inner = apart_from_closing(value, (*path, name))
            members.append((name, value))
            closed += inner
    if schema[0] == "object":
        return ("object", frozenset(members)), closed
    return ("array", tuple(value for _, value in members)), closed


def request_atoms(conversation: Conversation) -> list[Atom]:
    """Return the normal form of what a dialect's decoder made of a request."""
    return _Normaliser(conversation).atoms()


class _Normaliser:
    def __init__(self, conversation: Conversation) -> None:
        self._from = conversation
        self._calls: list[str] = []
        self._names: list[OwnName] = []
        self._answered: set[int] = set()

    def atoms(self) -> list[Atom]:
        return [*self._scalars(), *self._tools(), *self._turns()]

    def _scalars(self) -> Iterator[Atom]:
        source = self._from
        for name in _SCALARS:
            value = getattr(source, name)
            if name == "parallel_tool_calls" and not self._callable():
                continue
            if value is not None and value not in _DEFAULTS.get(name, ()):
                yield Atom(("field", name, value), source.pointer(name))
        for place, word in enumerate(source.stop or ()):
            yield Atom(("stop", word), f"{source.pointer('stop')}/{place}")
        for name in ("logit_bias", "metadata", "keep_alive"):
            raw = getattr(source, name)
            if raw is not None and (value := value_of(raw)) not in (frozen({}), None):
                yield Atom(("field", name, value), source.pointer(name))
        if source.cache is not None:
            yield Atom(("field", "cache", source.cache.ttl), source.pointer("cache"))
        if (asked := source.reasoning) is not None:
            effort = "none" if asked.effort is None and asked.mode == "disabled" else asked.effort
            if effort is not None or asked.mode is not None or asked.budget_tokens is not None:
                yield Atom(("thinks", effort != "none"), asked.at)
            if effort not in (None, "none"):
                yield Atom(("effort", effort), asked.at)
            elif asked.budget_tokens is not None:
                yield Atom(("thinking budget", asked.budget_tokens), asked.at)
            if effort != "none" and asked.show is not None and (asked.show or source.source not in _HIDES_THOUGHTS):
                yield Atom(("show thoughts", asked.show), asked.at)
        if (output := source.output) is not None and output.kind != "text":
            schema, closed = apart_from_closing(value_of(output.schema))
            yield Atom(("output", output.kind, schema), output.at)
            for path in closed:
                yield Atom(("output is closed", path), output.at)
            for name, said in (
                ("name", output.name),
                ("strict", output.strict or None),
                ("description", output.description),
            ):
                if said is not None:
                    yield Atom(("output", name, said), member(source.source, output.at, f"output.{name}"))

    def _callable(self) -> list[Tool]:
        """Return the tools that may be called. A choice among those the provider runs itself is its own affair."""
        choice, tools = self._from.tool_choice, self._from.tools
        if choice is not None and choice.mode == "none":
            return []
        if choice is not None and choice.mode == "allowed":
            tools = [tool for tool in tools if (tool.name, tool.namespace) in chosen_names(choice)]
        return tools if any(tool.kind != "hosted" for tool in tools) else []

    def _tools(self) -> Iterator[Atom]:
        choice = self._from.tool_choice
        if choice is not None and choice.mode == "none":
            return
        only = set(chosen_names(choice)) if choice is not None and choice.mode == "allowed" else None
        for tool in self._from.tools:
            if only is not None and (tool.name, tool.namespace) not in only:
                continue
            schema = value_of(tool.parameters or b'{"type":"object","properties":{}}')
            yield Atom(("tool", tool.kind, tool.name, tool.namespace), tool.at)
            free = (None, frozen({"type": "text"}))
            grammar = None if value_of(tool.format) in free else value_of(tool.format)
            yield Atom(("tool says", tool.description, schema, grammar, value_of(tool.raw)), tool.at)
            if tool.strict:
                yield Atom(("tool is strict",), tool.at)
            if tool.cache is not None:
                yield Atom(("cache", tool.cache.ttl), tool.at)
        if choice is not None and only is None and choice.mode != "auto":
            yield Atom(("choice", choice.mode, tuple(chosen_names(choice))), choice.at)
        elif only is not None and choice is not None and choice.required:
            yield Atom(("choice", "required", ()), choice.at)

    def _turns(self) -> Iterator[Atom]:
        before = None
        for turn in self._from.turns:
            said = [
                atom for part in joined_texts(turn.parts, self._from.source, turn.role) for atom in self._part(part)
            ]
            merges = self._from.source in _MERGES_TURNS and before in (turn.role, turn.role.replace("tool", "user"))
            if not merges and turn.role != "tool":
                yield Atom(("turn", turn.role), turn.at)
            if turn.name is not None:
                yield Atom(("turn name", turn.name), f"{turn.at}/name")
            if turn.phase is not None:
                yield Atom(("turn phase", turn.phase), turn.phase_pointer)
            yield from (Atom(atom.says, atom.at, turn.at) for atom in said)
            before = turn.role

    def _part(self, part: Part) -> Iterator[Atom]:
        at = part.at
        match part:
            case Text():
                if part.text:
                    yield Atom(("text", part.text), at)
                for citation in part.citations or ():
                    yield Atom(("citation", _citation(citation)), citations_at(self._from.source, at))
            case Image():
                yield Atom(("image", _media(part.media)), at)
                if part.detail not in (None, "auto"):
                    yield Atom(("image detail", part.detail), at)
            case Audio():
                yield Atom(("audio", _media(part.media), part.format), at)
            case File():
                yield Atom(("file", _media(part.media)), at)
                for what in ("filename", "context"):
                    if getattr(part, what) is not None:
                        yield Atom(("file " + what, getattr(part, what)), at)
                if part.citations_enabled:
                    yield Atom(("file is cited",), at)
            case Reasoning():
                if part.text:
                    yield Atom(("reasoning", part.text), at)
            case ToolCall():
                arguments = part.arguments if part.custom else value_of(part.arguments or "{}")
                yield Atom(("call", self._call(part), part.name, part.namespace, part.custom), at)
                yield Atom(("arguments", arguments), at)
            case ToolResult():
                number = self._answers(part.call_id)
                yield Atom(("result of", number, None if number is None else self._names[number]), at)
                if part.is_error:
                    yield Atom(("result is an error",), at)
                for inner in joined_texts(part.parts, self._from.source, "tool"):
                    yield from self._part(inner)
            case Refusal():
                yield Atom(("refusal", part.text), at)
            case Opaque():
                yield Atom(("opaque", part.dialect, part.tag, value_of(part.raw)), at)
        token = getattr(part, "token", None)
        if token is not None:
            yield Atom(("token", token.issuer, token.value), at)
        cache = getattr(part, "cache", None)
        if cache is not None:
            yield Atom(("cache", cache.ttl), at)

    def _call(self, call: ToolCall) -> int:
        self._calls.append(call.id)
        self._names.append(OwnName(call.name, call.namespace))
        return len(self._calls) - 1

    def _answers(self, call_id: str) -> int | None:
        """Return the number of the call that a result answers: the first of its id that has none, else the last."""
        numbers = [number for number, own in enumerate(self._calls) if own == call_id]
        waiting = [number for number in numbers if number not in self._answered]
        number = waiting[0] if waiting else numbers[-1] if numbers else None
        if number is not None:
            self._answered.add(number)
        return number


def _citation(raw: msgspec.Raw) -> Any:
    """Return a citation as it is; one of a page, which Chat nests, as Responses has it."""
    said = json.loads(bytes(raw))
    if said.get("type") == "url_citation":
        page = said.get("url_citation", said)
        return frozen({"type": "url_citation", "title": "", "start_index": 0, "end_index": 0, **page})
    return frozen(said)


def _media(media: Media) -> tuple[Any, ...]:
    # Whoever fetches a file is told what it is.
    return (media.kind, media.value, None if media.kind == "url" else media.media_type)


def joined_texts(parts: list[Part], dialect: str, role: str) -> list[Part]:
    """Return parts with texts in a row joined where `dialect` has no border between them."""
    if not (dialect == "ollama" or (dialect == "openai_chat" and role == "assistant")):
        return parts
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if type(part) is Text and type(last) is Text and part.cache is last.cache is None:
            found[-1] = Text(last.text + part.text, last.at, None, last.citations or part.citations, last.token)
        else:
            found.append(part)
    return found


# ------------------------------------------------------------------------------------------- differences


def changed(before: list[Atom], after: list[Atom]) -> tuple[list[Atom], list[Atom]]:
    """Return the atoms that are missing from `after`, and those that `before` does not have, order counting."""
    gone: list[Atom] = []
    new: list[Atom] = []
    matcher = SequenceMatcher(None, [_key(atom) for atom in before], [_key(atom) for atom in after], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind != "equal":
            gone += before[i1:i2]
            new += after[j1:j2]
    return gone, new


def _key(atom: Atom) -> tuple[Any, ...]:
    return frozen_numbers(atom.says)


def frozen_numbers(says: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(int(item) if isinstance(item, float) and item.is_integer() else item for item in says)


# What a target does in any case, and so has no word for.
DONE_ANYWAY = {
    (("output", "strict", True), "anthropic_messages"),
    (("show thoughts", True), "ollama"),
    (("show thoughts", False), "openai_responses"),
}


def silent(
    before: list[Atom], after: list[Atom], losses: list[Loss], between: list[Atom], later: list[Loss], target: str
) -> list[Atom]:
    """Return what is gone from `before` on a trip there and back, and no loss says so.

    `losses` are those of the trip there, whose pointers are those of `before`; `later` those of the trip back, whose
    pointers are those of `between`, which is what was read on the other side. Without any loss the two must be equal.
    With losses everything that none of them names must still be there; the first of texts, or of thoughts, that were
    joined is where it was, for it is the others that were changed, or fell on the way back with all of them; borders
    between turns fall when what was between them does.
    """
    if not losses and not later:
        return [atom for atom in changed(before, after)[0] if (atom.says, target) not in DONE_ANYWAY]
    left = Counter(_loose(atom) for atom in after)
    later_said = {_loose(atom) for atom in between if covers(later, atom.at)}
    texts = [says for says in (*(atom.says for atom in after), *later_said) if says[0] in ("text", "reasoning")]
    named = [
        covers(losses, atom.at) or any(loss.pointer == atom.turn for loss in losses if atom.turn) for atom in before
    ]
    found = []
    for atom, is_named in zip(before, named, strict=True):
        says = _loose(atom)
        if is_named or atom.says[0] == "turn":
            continue
        if left[says]:
            left[says] -= 1
        elif says in later_said or (atom.says, target) in DONE_ANYWAY:
            continue
        elif not any(kind == atom.says[0] and text.startswith(atom.says[1]) for kind, text, *_ in texts):
            found.append(atom)
    if ("thinks", True) not in left:  # where it does not think, there are no thoughts to show
        found = [atom for atom in found if atom.says[0] != "show thoughts"]
    return found


def _loose(atom: Atom) -> tuple[Any, ...]:
    """Return what is said without the numbers of calls, which fall when an earlier one is dropped."""
    kind, *rest = frozen_numbers(atom.says)
    return (kind, *rest[1:]) if kind in ("call", "result of") else (kind, *rest)


def covers(losses: Iterable[Loss], at: str) -> bool:
    """Say whether a loss names `at`, what it is in, or something in it."""
    return any(within(at, loss.pointer) or within(loss.pointer, at) for loss in losses)


def within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(outer + "/")


# ----------------------------------------------------------------------------------------------- answers


# Formats with one place for each kind of part: in a stream, in which order the kinds came does not say anything.
_PLACES = {
    "openai_chat": ("reasoning", "text", "refusal", "opaque", "call"),
    "ollama": ("reasoning", "text", "opaque", "call"),
}


def answer_form(answer: Answer, *, ids: bool = True, wraps: bool = False) -> dict[str, Any]:
    """Return the normal form of an answer: what a client is told, place by place.

    With `wraps`, arguments that are no object are what they are when wrapped in one.
    """
    numbers: dict[str, int] = {}
    choices = []
    for choice in answer.choices:
        parts: list[Any] = []
        for part in choice.parts:
            says = _answer_part(part)
            if says is None:
                continue
            if isinstance(part, ToolCall):
                if wraps and not part.custom:
                    says = (*says[:2], value_of(wrapped(part.arguments)), *says[3:])
                number = numbers.setdefault(part.id, len(numbers))
                says = (*says, part.id if ids else number)
            parts.append(says)
        stop = choice.stop
        choices.append(
            {
                "index": choice.index,
                "parts": _joined(parts, answer.source),
                "stop": None if stop is None else (stop.reason, stop.sequence, stop.detail),
                "logprobs": value_of(choice.logprobs),
            }
        )
    return {"choices": choices, "usage": answer.usage, "model": answer.model, "service_tier": answer.service_tier}


def wrapped(arguments: str) -> str:
    """Return arguments as an object: as they are, or as the text of `input`."""
    try:
        msgspec.json.decode(arguments or "{}", type=dict[str, msgspec.Raw])  # unlike json.loads, without NaN
    except msgspec.DecodeError:
        return json.dumps({"input": arguments})
    return arguments


def _joined(parts: list[Any], source: str) -> list[Any]:
    """Return parts in their format's order, and texts in a row as one: nobody is told where one ended."""
    if (places := _PLACES.get(source)) is not None:
        parts = sorted(parts, key=lambda says: places.index(says[0]))
    joined: list[Any] = []
    for says in parts:
        last = joined[-1] if joined else None
        if source == "ollama" and last is not None and says[0] == last[0] == "reasoning":
            joined[-1] = ("reasoning", last[1] + says[1], *says[2:])
        elif last is None or says[0] not in ("text", "refusal") or last[0] != says[0]:
            joined.append(says)
        elif places is not None and says[3] is last[3] is None:
            joined[-1] = (says[0], last[1] + says[1], last[2] + says[2], None)
        elif says[2:] == last[2:] == ((), None):
            joined[-1] = (says[0], last[1] + says[1], (), None)
        else:
            joined.append(says)
    return joined


def _answer_part(part: Part) -> tuple[Any, ...] | None:
    match part:
        case Text():
            citations = tuple(value_of(citation) for citation in part.citations or ())
            return ("text", part.text, citations, _token(part.token)) if part.text or citations or part.token else None
        case Reasoning():
            return ("reasoning", part.text, part.redacted, _token(part.token)) if part.text or part.token else None
        case ToolCall():
            arguments = part.arguments if part.custom else value_of(part.arguments or "{}")
            return ("call", part.name, arguments, part.custom, _token(part.token))
        case Refusal():
            return ("refusal", part.text, (), None)
        case Opaque():
            return ("opaque", part.dialect, part.tag, value_of(part.raw))
    raise AssertionError(f"{type(part).__name__} in an answer")


def _token(token: Token | None) -> tuple[str, str] | None:
    return None if token is None else (token.issuer, token.value)
