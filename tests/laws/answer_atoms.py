"""What an answer says, one atom for each thing, with the JSON pointer of where its provider said it.

Where the pointers of scalars are is written down here once more, and not taken from the code that is tested. Not
counted are the answer's id and time, which are the gateway's to give, counts of zero, and the usual service tier. A
citation of a web page is its URL, its title and the stretch of text that it is for, however that is told.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from normal import Atom, covers, value_of

from trio_gateway.dialects.conversation import Answer, Choice, Loss, Opaque, Part, Reasoning, Refusal, Text, ToolCall

_STOPS = {
    "openai_chat": "/choices/{}/finish_reason",
    "openai_responses": "/incomplete_details/reason",
    "anthropic_messages": "/stop_reason",
    "gemini": "/candidates/{}/finishReason",
    "ollama": "/done_reason",
}
_DETAILS = {"anthropic_messages": "/stop_details/explanation", "gemini": "/candidates/{}/finishMessage"}
_LOGPROBS = {
    "openai_chat": "/choices/{}/logprobs",
    "openai_responses": "/output",  # each text has its own
    "gemini": "/candidates/{}/logprobsResult",
    "ollama": "/logprobs",
}
_USAGES = {"gemini": "/usageMetadata", "ollama": "/eval_count"}
_TIERS = {"anthropic_messages": "/usage/service_tier", "gemini": "/usageMetadata/serviceTier"}
_COUNTS = ("input", "output", "cached", "cache_write", "reasoning")
_USUAL_TIERS = (None, "default", "standard")


def answer_atoms(answer: Answer) -> list[Atom]:
    source = answer.source
    found = [Atom(("model", answer.model), "/model")]
    if answer.service_tier not in _USUAL_TIERS:
        found.append(Atom(("tier", answer.service_tier), _TIERS.get(source, "/service_tier")))
    counts = ((name, getattr(answer.usage, name, None)) for name in _COUNTS)
    found += [Atom(("count", name, count), _USAGES.get(source, "/usage")) for name, count in counts if count]
    for choice in answer.choices:
        found += _choice(choice, source)
    return found


def _choice(choice: Choice, source: str) -> Iterator[Atom]:
    index = choice.index
    whole = "".join(part.text for part in choice.parts if isinstance(part, Text))
    for place, part in enumerate(choice.parts):
        for atom in _part(part, _run(choice.parts, place), whole):
            yield Atom((atom.says[0], index, *atom.says[1:]), atom.at)
    yield from _stop(choice, source)
    if choice.logprobs is not None:
        for kind, entries in json.loads(bytes(choice.logprobs)).items():
            for entry in entries or ():
                yield Atom((f"logprob of {kind}", index, *_logprob(entry)), _LOGPROBS[source].format(index))


def _stop(choice: Choice, source: str) -> Iterator[Atom]:
    """Yield why the model stopped: what explains a refusal is one, a matched sequence says so itself, calls win over
    an ordinary end, and where there is a refusal, it need not be said once more."""
    stop, index = choice.stop, choice.index
    if stop is None:
        return
    refusals = any(isinstance(part, Refusal) for part in choice.parts)
    if stop.detail is not None:
        explains = stop.reason == "refusal" and not refusals
        kind, refusals = ("refusal", True) if explains else ("stop detail", refusals)
        yield Atom((kind, index, stop.detail), _DETAILS[source].format(index))
    if stop.reason == "stop_sequence":
        yield Atom(("stop sequence", index, stop.sequence), "/stop_sequence")
    told = "stop" if stop.reason == "stop_sequence" else stop.reason
    if told == "stop" and any(isinstance(part, ToolCall) for part in choice.parts):
        told = "tool_calls"
    if not (refusals and told in ("stop", "refusal", "tool_calls")):
        yield Atom(("stop", index, told), _STOPS[source].format(index))


def _run(parts: list[Part], place: int) -> str:
    """Return the text of the texts, or refusals, in a row, where their first word stands: where one of them ends does
    not say anything, nor does it that a token of a text stands behind it, in a thought without words (Responses)."""
    kind = type(parts[place])

    def in_row(part: Part) -> bool:
        return type(part) is kind or (isinstance(part, Reasoning) and not part.text)

    before = takewhile(in_row, reversed(parts[:place]))
    if kind not in (Text, Refusal) or not _text(parts[place]) or any(map(_text, before)):
        return ""
    return "".join(map(_text, takewhile(in_row, parts[place:])))


def _text(part: Part) -> str:
    return part.text if isinstance(part, Text | Refusal) else ""


def _logprob(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Return a token's entry; its bytes only where they are not simply those of the token."""
    tops = tuple(_logprob(top) for top in entry.get("top_logprobs") or ())
    spelled = entry.get("bytes")
    odd = None if spelled in (None, list(entry["token"].encode())) else tuple(spelled)
    return (entry["token"], entry["logprob"], odd, tops)


def _part(part: Part, run: str, whole: str) -> Iterator[Atom]:
    at = part.at
    match part:
        case Text():
            if run:
                yield Atom(("text", run), at)
            for place, raw in enumerate(part.citations or ()):
                yield from _citation(json.loads(bytes(raw)), part, place, whole)
        case Reasoning() if part.text:
            yield Atom(("reasoning", part.text), at)
        case ToolCall():
            arguments = part.arguments if part.custom else value_of(part.arguments or "{}")
            yield Atom(("call", part.name, part.custom), at)
            yield Atom(("arguments", arguments), at)
        case Refusal() if run:
            yield Atom(("refusal", run), at)
        case Opaque():
            yield Atom(("opaque", part.dialect, part.tag, value_of(part.raw)), at)
    token = getattr(part, "token", None)
    if token is not None:
        # Responses has one place for tokens, and marks what they are of.
        value = token.value.removeprefix("previous:").removeprefix("redacted:").removeprefix("text:")
        yield Atom(("token", token.issuer, value), at)


def _citation(value: dict[str, Any], part: Text, place: int, whole: str) -> Iterator[Atom]:
    if part.at.endswith("/message/content"):  # Chat: beside the text, and of all of it
        at, text = part.at.removesuffix("content") + f"annotations/{place}", whole
    elif part.at.startswith("/candidates/"):
        at, text = part.at.partition("/content/")[0] + "/groundingMetadata", part.text
    else:
        at, text = f"{part.at}/{'annotations' if part.at.startswith('/output') else 'citations'}/{place}", part.text
    page = value.get("url_citation", value)
    if value["type"] == "url_citation":
        yield Atom(("citation", page["url"], page["title"], text[page["start_index"] : page["end_index"]]), at)
    elif value["type"] == "web_search_result_location":
        yield Atom(("citation", page["url"], page["title"], text), at)
        yield Atom(("cited text", page["cited_text"], page["encrypted_index"]), at)
    else:
        yield Atom(("citation", value_of(json.dumps(value))), at)


_RUN_TOGETHER = ("text", "reasoning", "refusal")


def unsaid(before: list[Atom], after: list[Atom], losses: list[Loss]) -> list[Atom]:
    """Return what is gone from `before`, and no loss says so.

    Without any loss both must say the same in the same order. With losses everything that none of them names must
    still be there; texts may have been joined where what was between them is gone.
    """
    said = [atom.says for atom in after]
    if not losses:
        gone = Counter(atom.says for atom in before) - Counter(said)
        found = [atom for atom in before if gone[atom.says]]
        # What explains a refusal has no place among the parts.
        apart = [atom.says for atom in before if atom.at.endswith(("/explanation", "/finishMessage"))]
        in_order = [atom.says for atom in before if atom.says not in apart]
        return [] if in_order == [says for says in said if says not in apart] else found or before
    left = Counter(said)
    told = _Texts(after)
    found = []
    for atom in before:
        if covers(losses, atom.at):
            continue
        if atom.says[0] in _RUN_TOGETHER:
            if not told.has(atom):
                found.append(atom)
        elif left[atom.says]:
            left[atom.says] -= 1
        else:
            found.append(atom)
    return found


class _Texts:
    """All the texts of each kind, one after another. What is looked for has to be in them in its order."""

    def __init__(self, atoms: list[Atom]) -> None:
        self._texts: defaultdict[tuple[str, int], str] = defaultdict(str)
        self._from: defaultdict[tuple[str, int], int] = defaultdict(int)
        for kind, index, *rest in (atom.says for atom in atoms if atom.says[0] in _RUN_TOGETHER):
            self._texts[kind, index] += rest[0]

    def has(self, atom: Atom) -> bool:
        kind, index, text = atom.says
        at = self._texts[kind, index].find(text, self._from[kind, index])
        self._from[kind, index] = max(at, 0) + len(text)
        return at >= 0
