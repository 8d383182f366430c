"""The contents of a request, read into turns; calls and their results are paired on the way.

Clients that stream keep one content for each chunk of an answer. Consecutive contents of the model are therefore one
turn, and text that was only cut between them is one text again.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.arguments import unwrap
from trio_gateway.dialects.conversation import (
    Loss,
    Losses,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.gemini.media import read_blob, read_file_data
from trio_gateway.dialects.gemini.names import synthesise_id
from trio_gateway.dialects.gemini.results import read_parts
from trio_gateway.dialects.gemini.tokens import NAME, recognise
from trio_gateway.dialects.names import recognise_name
from trio_gateway.errors import InvalidRequest

_OF_THE_USER = frozenset({"user", "function", "tool", ""})


class _Call(msgspec.Struct):
    """A call of the model that waits for its result."""

    name: str
    id: str
    has_id: bool  # on the wire
    custom: bool


class ContentsReader:
    """Reads one request's contents. What cannot be carried goes to `unread`; raises InvalidRequest."""

    __slots__ = ("_calls", "_opaque", "_unread", "joined")

    def __init__(self, unread: Losses, opaque: dict[str, tuple[str, Raw]]) -> None:
        self._unread = unread
        self._opaque = opaque
        self._calls: list[_Call] = []
        self.joined: dict[str, list[str]] = {}  # as in Conversation

    def read(self, system: wire_gemini.Content | None, contents: list[wire_gemini.Content]) -> list[Turn]:
        turns: list[Turn] = []
        if system is not None and system.parts:
            parts = [self._part(part, f"/systemInstruction/parts/{i}", "", 0) for i, part in enumerate(system.parts)]
            turns.append(Turn("system", parts, "/systemInstruction"))
        goes_on = False
        for i, content in enumerate(contents):
            role = content.role or ""
            if role == "model":
                self._model(i, content, turns, goes_on)
            elif role in _OF_THE_USER:
                self._user(i, content, turns)
            else:
                raise InvalidRequest("role must be user or model.", code="invalid_value", pointer=f"/contents/{i}/role")
            goes_on = role == "model"
        return turns

    def _model(self, index: int, content: wire_gemini.Content, turns: list[Turn], goes_on: bool) -> None:
        at = f"/contents/{index}"
        if not goes_on:
            self._calls = []
            turns.append(Turn("assistant", [], at))
        parts = turns[-1].parts
        calls = 0
        for n, wire_part in enumerate(content.parts or ()):
            part = self._part(wire_part, f"{at}/parts/{n}", str(index), calls)
            if type(part) is ToolCall:
                calls += 1
            elif type(part) is ToolResult:
                raise InvalidRequest(
                    "functionResponse belongs in a content of the user.",
                    code="invalid_value",
                    pointer=f"{at}/parts/{n}/functionResponse",
                )
            self._append(parts, part, cut=goes_on and n == 0)

    def _user(self, index: int, content: wire_gemini.Content, turns: list[Turn]) -> None:
        at = f"/contents/{index}"
        results: list[Part] = []
        rest: list[Part] = []
        for n, wire_part in enumerate(content.parts or ()):
            part = self._part(wire_part, f"{at}/parts/{n}", str(index), n)
            if type(part) is ToolResult:
                if rest:
                    self._unread.append(Loss(part.at, "moved before what is no result"))
                results.append(part)
            elif type(part) is ToolCall:
                raise InvalidRequest(
                    "functionCall belongs in a content of the model.",
                    code="invalid_value",
                    pointer=f"{at}/parts/{n}/functionCall",
                )
            else:
                rest.append(part)
        if results:
            turns.append(Turn("tool", results, at))
        if rest or not results:
            turns.append(Turn("user", rest, at))

    def _append(self, parts: list[Part], part: Part, *, cut: bool) -> None:
        """Add a part of the model's. `cut` says that a chunk's border lies before it."""
        last = parts[-1] if parts else None
        if not isinstance(part, Text | Reasoning) or type(last) is not type(part):
            parts.append(part)
        elif part.token is None:
            if cut and _is_plain(last):
                part = self._join([last, part])
                parts.pop()
            parts.append(part)
        elif (
            part.token.issuer != NAME
            and not part.text
            and _is_plain(last)
            and not (isinstance(part, Reasoning) and part.redacted)
        ):
            # Ours: a foreign signature follows the text that it is of, which had left before it came.
            run = len(parts)
            while run and type(parts[run - 1]) is type(part) and _is_plain(parts[run - 1]):
                run -= 1
            parts[run:] = [self._join([*parts[run:], part])]
        else:
            parts.append(part)

    def _join(self, parts: list[Part]) -> Part:
        """Return texts, or thoughts, as one part with the last one's token."""
        texts = [part for part in parts if isinstance(part, Text | Reasoning)]
        first, last = texts[0], texts[-1]
        text = "".join(part.text for part in texts)
        self.joined.setdefault(first.at, []).extend(part.at for part in texts[1:])
        token_at = f"{last.at}/thoughtSignature" if last.token else None
        return type(first)(text, first.at, token=last.token, token_at=token_at)

    # -- parts

    def _part(self, part: wire_gemini.Part, at: str, where: str, place: int) -> Part:
        """`where` and `place` are what the id of a call without one is made of."""
        # Text is nearly every part.
        if (
            part.text
            and part.function_call is UNSET
            and part.function_response is UNSET
            and part.inline_data is UNSET
            and part.file_data is UNSET
        ):
            return self._text(part, at)
        if at in self._opaque:
            tag, raw = self._opaque[at]
            return Opaque(NAME, tag, raw, at)
        data = [
            name
            for name in ("text", "inline_data", "file_data", "function_call", "function_response")
            if (value := getattr(part, name)) is not UNSET and value is not None
        ]
        if len(data) > 1:
            raise InvalidRequest("A part holds one datum only.", code="invalid_value", pointer=at)
        if not data:
            if not part.thought_signature:
                raise InvalidRequest("A part needs a datum.", code="missing_value", pointer=at)
            return self._text(part, at)
        if data == ["text"]:
            return self._text(part, at)
        if part.function_call:
            return self._call(part, part.function_call, at, where, place)
        self._lose_marks(part, at)
        if part.function_response:
            return self._result(part.function_response, at, where, place)
        if part.inline_data:
            return read_blob(part.inline_data, f"{at}/inlineData", self._unread)
        assert part.file_data, "one of the five is there"
        return read_file_data(part.file_data, f"{at}/fileData", self._unread)

    def _lose_marks(self, part: wire_gemini.Part, at: str) -> None:
        if part.thought:
            self._unread.append(Loss(f"{at}/thought", "only text can be a thought"))
        if part.thought_signature:
            self._unread.append(Loss(f"{at}/thoughtSignature", "only text and calls keep their tokens"))

    def _text(self, part: wire_gemini.Part, at: str) -> Part:
        text = part.text or ""
        token, redacted = recognise(part.thought_signature) if part.thought_signature else (None, False)
        if part.thought or redacted:
            return Reasoning(text, at, token, redacted)
        return Text(text, at, token=token)

    def _call(
        self, part: wire_gemini.Part, call: wire_gemini.FunctionCall, at: str, where: str, place: int
    ) -> ToolCall:
        if part.thought:
            self._unread.append(Loss(f"{at}/thought", "only text can be a thought"))
        if not call.name:
            raise InvalidRequest("A call needs a name.", code="missing_value", pointer=f"{at}/functionCall/name")
        raw = b"{}" if call.args is UNSET else bytes(call.args)
        if raw == b"null":
            raw = b"{}"
        if not raw.startswith(b"{"):
            raise InvalidRequest("args is an object.", code="invalid_value", pointer=f"{at}/functionCall/args")
        id_ = call.id or synthesise_id(where, place)
        name, custom = recognise_name(call.name)
        self._calls.append(_Call(name, id_, bool(call.id), custom))
        arguments = raw.decode()
        token = recognise(part.thought_signature)[0] if part.thought_signature else None
        return ToolCall(id_, name, unwrap(arguments) if custom else arguments, at, custom, token)

    def _result(self, response: wire_gemini.FunctionResponse, at: str, where: str, place: int) -> ToolResult:
        inner = f"{at}/functionResponse"
        name = recognise_name(response.name)[0] if response.name else None
        call = self._take(response.id or None, name)
        if call is None and not response.id and not name:
            raise InvalidRequest("A response needs a name or an id.", code="missing_value", pointer=f"{inner}/name")
        if call is not None and response.id and call.id != response.id:
            self._unread.append(Loss(f"{inner}/id", "the call has no id: they are paired by name and order"))
        parts, is_error = read_parts(response, inner, self._unread)
        id_ = call.id if call else response.id or synthesise_id(where, place)
        return ToolResult(id_, parts, at, name, is_error, custom=call is not None and call.custom)

    def _take(self, id_: str | None, name: str | None) -> _Call | None:
        """Return the call that a response answers, which then waits no longer: by id, else by name and order."""
        calls = self._calls
        found = next((call for call in calls if call.has_id and call.id == id_), None)
        if found is None:
            found = next((call for call in calls if call.name == name and not (id_ and call.has_id)), None)
        if found is None and name is None:
            found = next((call for call in calls if not (id_ and call.has_id)), None)
        if found is not None:
            # By identity: two calls may look the same.
            self._calls = [call for call in calls if call is not found]
        return found


def _is_plain(part: Part | None) -> bool:
    return isinstance(part, Text | Reasoning) and part.token is None
