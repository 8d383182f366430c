"""The neutral events of an answer that streams, and the whole answer that they amount to.

Grammar: Start (Open (Delta|Sign|Cite)* Close | UsageUpdate | LogprobsDelta | Ping)* Finish+ UsageUpdate? End
or any prefix of it followed by Fail. Keys are unique in a stream. Several parts may be open at once only if
the source is openai_chat or openai_responses. One Finish a choice; exactly one of End and Fail, last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from trio_gateway.dialects.conversation import (
    Answer,
    Choice,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Stop,
    Text,
    Token,
    ToolCall,
    Usage,
)
from trio_gateway.errors import UpstreamBroke, UpstreamError


class Start(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    created: int | None = None
    service_tier: str | None = None


class Open(msgspec.Struct):
    """A part begins.

    `id`, `name` and `namespace` for calls; `raw` is the whole of an opaque part, `tag` its type, `dialect` whose it is.
    """

    key: int
    kind: Literal["text", "reasoning", "redacted", "call", "custom_call", "refusal", "opaque"]
    choice: int = 0
    id: str = ""
    name: str = ""
    tag: str = ""
    raw: msgspec.Raw | None = None
    dialect: str = ""
    namespace: str | None = None


class Delta(msgspec.Struct):
    """More of an open part: its text, or a fragment of its arguments. Never empty."""

    key: int
    text: str


class Sign(msgspec.Struct):
    """The open part's opaque token; for a redacted part, its content."""

    key: int
    token: Token


class Cite(msgspec.Struct):
    key: int
    raw: msgspec.Raw  # in the source dialect's own shape


class Close(msgspec.Struct):
    key: int


class LogprobsDelta(msgspec.Struct):
    raw: msgspec.Raw  # in Chat's shape, for the tokens of the neighbouring Delta
    choice: int = 0


class UsageUpdate(msgspec.Struct):
    """Counts known so far; later ones replace earlier ones, count by count."""

    usage: Usage


class Finish(msgspec.Struct):
    stop: Stop
    choice: int = 0


class End(msgspec.Struct):
    """The source's terminal marker was seen: this answer is whole."""


class Fail(msgspec.Struct):
    """The answer will not be whole. The last event."""

    error: UpstreamError


class Ping(msgspec.Struct):
    pass


AnswerEvent: TypeAlias = (
    Start | Open | Delta | Sign | Cite | Close | LogprobsDelta | UsageUpdate | Finish | End | Fail | Ping
)


def fold(events: Iterable[AnswerEvent], source: str = "") -> Answer:
    """Return the answer that a stream amounts to.

    Raises the stream's own UpstreamError where it failed, UpstreamBroke where it has neither End nor Fail.
    """
    answer = Answer(source=source, choices=[])
    choices: dict[int, Choice] = {}
    parts: dict[int, _OpenPart] = {}
    logprobs: dict[int, list[msgspec.Raw]] = {}
    for event in events:
        match event:
            case Delta():
                parts[event.key].texts.append(event.text)
            case Open():
                choice = choices.setdefault(event.choice, Choice([], index=event.choice))
                parts[event.key] = part = _OpenPart(event, choice, len(choice.parts))
                choice.parts.append(part.whole())
            case Sign():
                parts[event.key].token = event.token
            case Cite():
                parts[event.key].citations.append(event.raw)
            case Close():
                part = parts.pop(event.key)
                part.choice.parts[part.position] = part.whole()
            case Start():
                answer.id, answer.model, answer.created = event.id, event.model, event.created
                answer.service_tier = event.service_tier
            case UsageUpdate():
                answer.usage = answer.usage.updated(event.usage) if answer.usage else event.usage
            case LogprobsDelta():
                logprobs.setdefault(event.choice, []).append(event.raw)
            case Finish():
                choices.setdefault(event.choice, Choice([], index=event.choice)).stop = event.stop
            case Fail():
                raise event.error
            case End():
                for index, pieces in logprobs.items():
                    choices.setdefault(index, Choice([], index=index)).logprobs = join_logprobs(pieces)
                answer.choices = [choices[index] for index in sorted(choices)]
                return answer
            case Ping():
                pass
    raise UpstreamBroke("The provider's stream ended without its terminal marker.")


def join_logprobs(pieces: list[msgspec.Raw]) -> msgspec.Raw:
    """Join logprobs objects of consecutive chunks, list by list."""
    joined: dict[str, list[msgspec.Raw] | None] = {}
    for piece in pieces:
        for name, entries in _decode_logprobs(piece).items():
            if entries is None:
                joined.setdefault(name, None)
            else:
                joined[name] = (joined.get(name) or []) + entries
    return msgspec.Raw(msgspec.json.encode(joined))


_decode_logprobs = msgspec.json.Decoder(dict[str, list[msgspec.Raw] | None]).decode


class _OpenPart:
    """A part of a stream while it is being told."""

    __slots__ = ("choice", "citations", "open", "position", "texts", "token")

    def __init__(self, open_: Open, choice: Choice, position: int) -> None:
        self.open = open_
        self.choice = choice
        self.position = position
        self.texts: list[str] = []
        self.token: Token | None = None
        self.citations: list[msgspec.Raw] = []

    def whole(self) -> Part:
        opened, text = self.open, "".join(self.texts)
        match opened.kind:
            case "text":
                return Text(text, citations=self.citations or None, token=self.token)
            case "reasoning":
                return Reasoning(text, token=self.token, id=opened.id or None)
            case "redacted":
                return Reasoning(text, token=self.token, redacted=True, id=opened.id or None)
            case "call" | "custom_call":
                custom = opened.kind == "custom_call"
                arguments = text if custom else text or "{}"
                call = ToolCall(opened.id, opened.name, arguments, custom=custom, token=self.token)
                call.namespace = opened.namespace
                return call
            case "refusal":
                return Refusal(text)
            case "opaque":
                return Opaque(opened.dialect, opened.tag, opened.raw or msgspec.Raw(b"null"))


def fail_broken(reason: str) -> Fail:
    """Return the event for an answer that ended, or cannot be read, in the middle."""
    return Fail(UpstreamBroke(reason))
