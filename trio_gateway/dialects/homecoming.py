"""Histories that come home to a provider of the client's own dialect, with tokens in them that it cannot read.

Another provider's reasoning tokens are kept by the client for us under a namespace (see opaque.py). Where the next
turn goes to a provider that speaks the client's own dialect, because the client or a route has changed the model, the
body passes without a translation, and that provider would refuse all of it for such a token. They are cut out here,
as a translation leaves them out. Every other byte stays as it was, and a text that happens to speak of our namespace
is none of ours: only the places where formats have tokens are looked at. A body without it costs a search.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from msgspec import Raw

from trio_gateway.dialects.anthropic_messages.thinking import NO_THOUGHT_IN_LOOP
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Loss, Losses, Token
from trio_gateway.dialects.gemini import tokens as gemini_tokens
from trio_gateway.dialects.opaque import NAMESPACE, recognise
from trio_gateway.dialects.splice import drop_member, edit_items, edit_member, splice_member
from trio_gateway.dialects.wire import BAD_BODY

# Twice as fast as `in`, for they leap from quote to quote. No encoder of JSON escapes what they look for.
_ours = re.compile(b'"' + re.escape(NAMESPACE.encode())).search
_ours_in_base64 = re.compile(b'"' + gemini_tokens.CARRIED.encode()).search

_encode = msgspec.json.Encoder().encode

UNSIGNED = "thoughts without the provider's signature cannot go back to it"


def without_foreign_tokens(body: bytes, dialect: str, model: str, can: Capabilities) -> tuple[bytes, Losses]:
    """Return a client's body for a provider of the same dialect, and what had to be cut out of it.

    A body that is not what its dialect says passes as it is: the provider says what is wrong with it. Never raises.
    """
    cutter = _CUTTERS.get(dialect)
    if cutter is None or not cutter.may_hold(body):
        return body, []
    losses: Losses = []
    try:
        written = cutter(model, can, losses).cut(body)
    except (*BAD_BODY, ValueError):
        return body, []
    return (written, losses) if losses else (body, losses)


def _foreign(token: Token, carrier: str) -> str | None:
    """Return why a provider cannot be sent a token; None for its own."""
    return None if token.issuer == carrier else f"only {token.issuer} can read it"


class _Cutter:
    """Goes through the history of a body. `losses` grows."""

    __slots__ = ("_can", "_losses", "_model")

    def __init__(self, model: str, can: Capabilities, losses: Losses) -> None:
        self._model = model
        self._can = can
        self._losses = losses

    @staticmethod
    def may_hold(body: bytes) -> bool:
        """Say, quickly, whether there may be something to cut."""
        return _ours(body) is not None

    def cut(self, body: bytes) -> bytes:
        raise NotImplementedError

    def _lose(self, at: str, reason: str) -> None:
        self._losses.append(Loss(at, reason))

    def _list(
        self, owner: bytes, name: str, at: str, edit: Callable[[bytes, str], bytes | None], *, needed: bool = False
    ) -> bytes | None:
        """Return the object `owner` with each item of its list `name` edited, which is told its own pointer.

        None where the list is `needed`, and nothing is left of it that was there before.
        """
        emptied = False

        def items(array: bytes) -> bytes:
            nonlocal emptied
            if not array.startswith(b"["):
                return array
            edited = edit_items(array, lambda place, item: edit(item, f"{at}/{place}"))
            emptied = edited != array and not edited[1:-1].strip()
            return edited

        edited = edit_member(owner, name, items)
        return None if emptied and needed else edited


# ------------------------------------------------------------------------------------------------- Anthropic


class _Block(msgspec.Struct):
    type: str = ""
    signature: str | None = None
    data: str | None = None


class _Message(msgspec.Struct):
    role: str = ""
    content: Raw = Raw(b"[]")


class _Thinking(msgspec.Struct):
    type: str = ""


class _Root(msgspec.Struct):
    messages: list[_Message]
    thinking: _Thinking | None = None


_decode_block = msgspec.json.Decoder(_Block).decode
_decode_blocks = msgspec.json.Decoder(list[_Block]).decode
_decode_root = msgspec.json.Decoder(_Root).decode
_unsigned = re.compile(rb'"signature"\s*+:\s*+""').search


class _Anthropic(_Cutter):
    """Leaves out thoughts that another provider signed, and for Claude those that nobody did.

    Other vendors' models behind Anthropic's format may sign nothing, and want their thoughts back.
    """

    __slots__ = ()

    @staticmethod
    def may_hold(body: bytes) -> bool:
        return _ours(body) is not None or _unsigned(body) is not None

    def cut(self, body: bytes) -> bytes:
        cut = self._list(body, "messages", "/messages", self._message) or body
        if self._losses and _calls_without_thought(cut):
            cut = drop_member(cut, "thinking")
            self._lose("/thinking", NO_THOUGHT_IN_LOOP)
        return cut

    def _message(self, raw: bytes, at: str) -> bytes | None:
        if not self.may_hold(raw):
            return raw
        edited = self._list(raw, "content", f"{at}/content", self._block, needed=True)
        if edited is None:
            self._lose(at, "an empty message is left out")
        return edited

    def _block(self, raw: bytes, at: str) -> bytes | None:
        reason = self._why_not(raw) if self.may_hold(raw) else None
        if reason is None:
            return raw
        self._lose(at, reason)
        return None

    def _why_not(self, raw: bytes) -> str | None:
        block = _decode_block(raw)
        token = {"thinking": block.signature, "redacted_thinking": block.data}.get(block.type)
        if token is None:
            return None
        if token:
            return _foreign(recognise(token, "anthropic_messages"), "anthropic_messages")
        return UNSIGNED if "claude" in self._model.lower() else None


def _calls_without_thought(body: bytes) -> bool:
    """Say whether the model is to think by a budget, and is given the result of a call that follows no thought."""
    root = _decode_root(body)
    if root.thinking is None or root.thinking.type != "enabled":
        return False
    turns: list[tuple[str, list[_Block]]] = []
    for message in root.messages:
        if message.role in ("user", "assistant"):
            blocks = _decode_blocks(message.content) if bytes(message.content).startswith(b"[") else [_Block("text")]
            if turns and turns[-1][0] == message.role:
                turns[-1][1].extend(blocks)
            else:
                turns.append((message.role, blocks))
    if len(turns) < 2 or turns[-1][0] != "user":
        return False
    in_loop = any(block.type == "tool_result" for block in turns[-1][1])
    return in_loop and not any(block.type in ("thinking", "redacted_thinking") for block in turns[-2][1][:1])


# ------------------------------------------------------------------------------------------------- Responses


class _Item(msgspec.Struct):
    type: str = ""
    encrypted_content: str | None = None


_decode_item = msgspec.json.Decoder(_Item).decode


class _Responses(_Cutter):
    """Leaves out reasoning items that hold another provider's token: they are nothing without it."""

    __slots__ = ()

    def cut(self, body: bytes) -> bytes:
        return self._list(body, "input", "/input", self._item) or body

    def _item(self, raw: bytes, at: str) -> bytes | None:
        if not self.may_hold(raw):
            return raw
        item = _decode_item(raw)
        if item.type != "reasoning" or not item.encrypted_content:
            return raw
        reason = _foreign(recognise(item.encrypted_content, "openai_responses"), "openai_responses")
        if reason is None:
            return raw
        self._lose(at, reason)
        return None


# ------------------------------------------------------------------------------------------------------ Chat


class _Detail(msgspec.Struct):
    signature: str | None = None
    data: str | None = None


class _Google(msgspec.Struct):
    thought_signature: str | None = None


class _Extra(msgspec.Struct):
    google: _Google | None = None


class _Call(msgspec.Struct):
    extra_content: _Extra | None = None


_decode_detail = msgspec.json.Decoder(_Detail).decode
_decode_call = msgspec.json.Decoder(_Call).decode


class _Chat(_Cutter):
    """Leaves out what `reasoning_details` says with another provider's token, and what `extra_content` signs with one.

    The thoughts' text stays, in `reasoning_content`.
    """

    __slots__ = ()

    def cut(self, body: bytes) -> bytes:
        return self._list(body, "messages", "/messages", self._message) or body

    def _message(self, raw: bytes, at: str) -> bytes | None:
        if not self.may_hold(raw):
            return raw
        edited = self._list(raw, "reasoning_details", f"{at}/reasoning_details", self._detail, needed=True)
        if edited is None:
            edited = drop_member(raw, "reasoning_details")
        return self._list(edited, "tool_calls", f"{at}/tool_calls", self._call)

    def _detail(self, raw: bytes, at: str) -> bytes | None:
        detail = _decode_detail(raw)
        for token in (detail.signature, detail.data):
            reason = _foreign(recognise(token, "openai_chat"), "openai_chat") if token else None
            if reason is not None:
                self._lose(at, reason)
                return None
        return raw

    def _call(self, raw: bytes, at: str) -> bytes:
        if not self.may_hold(raw):
            return raw
        extra = _decode_call(raw).extra_content
        token = extra.google.thought_signature if extra is not None and extra.google is not None else None
        reason = _foreign(recognise(token, "openai_chat"), "openai_chat") if token else None
        if reason is None:
            return raw
        self._lose(f"{at}/extra_content/google/thought_signature", reason)
        return _without(raw, "extra_content", "google", "thought_signature")


def _without(owner: bytes, name: str, *inner: str) -> bytes:
    """Return an object without a member, or without one that is inside of it, and those that are empty then."""
    if inner:
        edited = edit_member(owner, name, lambda value: _without(value, *inner))
        if not re.search(rb'"%b"\s*+:\s*+\{\s*+\}' % name.encode(), edited):
            return edited
    return drop_member(owner, name)


# ---------------------------------------------------------------------------------------------------- Gemini


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought_signature: str | None = None
    snake: str | None = msgspec.field(default=None, name="thought_signature")
    function_call: Raw = Raw(b"null")
    snake_call: Raw = msgspec.field(default=Raw(b"null"), name="function_call")


_decode_part = msgspec.json.Decoder(_Part).decode


class _Gemini(_Cutter):
    """Leaves out other providers' signatures, and the parts that hold nothing else.

    Where the model wants a step's first call signed, Google's word for a call that never was takes their place.
    """

    __slots__ = ("_calls",)

    @staticmethod
    def may_hold(body: bytes) -> bool:
        return _ours_in_base64(body) is not None

    def cut(self, body: bytes) -> bytes:
        return self._list(body, "contents", "/contents", self._content) or body

    def _content(self, raw: bytes, at: str) -> bytes | None:
        if not self.may_hold(raw):
            return raw
        self._calls = 0
        edited = self._list(raw, "parts", f"{at}/parts", self._part, needed=True)
        if edited is None:
            self._lose(at, "left out: Gemini takes no empty content")
        return edited

    def _part(self, raw: bytes, at: str) -> bytes | None:
        part = _decode_part(raw)
        is_call = any(bytes(call) != b"null" for call in (part.function_call, part.snake_call))
        self._calls += is_call
        name, signature = "thoughtSignature", part.thought_signature
        if signature is None:
            name, signature = "thought_signature", part.snake
        token = gemini_tokens.recognise(signature)[0] if signature else None
        reason = _foreign(token, gemini_tokens.NAME) if token else None
        if reason is None:
            return raw
        if _holds_nothing_else(raw, part.text):
            self._lose(at, reason)
            return None
        self._lose(f"{at}/{name}", reason)
        if is_call and self._calls == 1 and self._can.thought_signatures:
            return splice_member(raw, name, _encode(gemini_tokens.SKIP_SIGNATURE))
        return drop_member(raw, name)


def _holds_nothing_else(raw: bytes, text: str | None) -> bool:
    said = _decode_names(raw).keys() - {"thought", "thoughtSignature", "thought_signature"}
    return not text and said <= {"text"}


_decode_names = msgspec.json.Decoder(dict[str, Raw]).decode

_CUTTERS: dict[str, type[_Cutter]] = {
    "anthropic_messages": _Anthropic,
    "openai_responses": _Responses,
    "openai_chat": _Chat,
    "gemini": _Gemini,
}
