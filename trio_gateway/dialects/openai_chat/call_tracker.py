"""Which tool call a fragment belongs to.

Servers identify the fragments of a stream in different ways. A fragment belongs to

    the call with its id              where it has one that is known
    the call at its index             where that call has no other id, or the fragment has none
    the call before it                where it has neither
    a new call                        in every other case

A call is opened when its name is whole: with its first fragment of arguments, or when the choice finishes. Until
then pieces of the name are joined, and an id may still come. Calls stay open until the choice finishes, for
fragments of several calls may alternate.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway_schemas.openai_chat import ToolCall
from trio_gateway.dialects.conversation import Token
from trio_gateway.dialects.events import AnswerEvent, Close, Delta, Open, Sign
from trio_gateway.dialects.openai_chat.reasoning import token_of_call
from trio_gateway.dialects.openai_chat.words import call_id_at

LEGACY_INDEX = -1  # of the one function_call a legacy message has; tool calls count from 0


class _Call:
    __slots__ = ("arguments", "custom", "id", "index", "key", "name", "position", "shared", "token")

    def __init__(self, position: int, index: int | None) -> None:
        self.position = position
        self.index = index
        self.id = ""  # as the server gave it
        self.shared = False  # the id is another call's already
        self.name = ""
        self.custom = False
        self.arguments: list[str] = []  # until it is opened
        self.token: Token | None = None
        self.key = -1  # of the open part; -1 until it is opened


class CallTracker:
    """The tool calls of one choice of an answer's stream. `new_key` gives the stream's next part key."""

    __slots__ = ("_answer_id", "_by_id", "_by_index", "_calls", "_choice", "_new_key", "_waiting")

    def __init__(self, choice: int, answer_id: str | None, new_key: Callable[[], int]) -> None:
        self._answer_id = answer_id
        self._choice = choice
        self._new_key = new_key
        self._calls: list[_Call] = []
        self._waiting: list[_Call] = []  # those that are not open yet
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}

    @property
    def called(self) -> bool:
        return bool(self._calls)

    def feed(self, fragment: ToolCall, position: int, events: list[AnswerEvent]) -> None:
        """Add the events of one fragment; `position` is its place in its chunk."""
        call = self._call_of(fragment, position)
        body = fragment.function
        if fragment.custom is not None and fragment.type != "function":
            call.custom = True
            name, text = fragment.custom.name, fragment.custom.input
        elif body is not None:
            name, text = body.name, body.arguments
        else:
            name = text = None
        if name and call.key < 0:
            # Some servers split the name, some repeat it, some write it longer each time.
            call.name = name if name.startswith(call.name) else call.name + name
        if fragment.extra_content is not None and (token := token_of_call(fragment)) is not None:
            call.token = token
            if call.key >= 0:
                events.append(Sign(call.key, token))
        if text:
            if call.key < 0:
                call.arguments.append(text)
                if call.name:
                    self._open_until(call, events)
            else:
                events.append(Delta(call.key, text))

    def finish(self, events: list[AnswerEvent]) -> None:
        """Open what is not open yet, and close every call."""
        for call in self._waiting:
            self._open(call, events)
        events.extend(Close(call.key) for call in self._calls)

    def _call_of(self, fragment: ToolCall, position: int) -> _Call:
        call_id, index = fragment.id, fragment.index
        if call_id:
            call = self._by_id.get(call_id)
            if call is not None and not self._shares_id(call, fragment):
                return call
            at_index = None if index is None else self._by_index.get(index)
            if at_index is not None and (not at_index.id or at_index.id == call_id):
                return self._identify(at_index, call_id)
            return self._identify(self._new(index), call_id)
        if index is not None:
            return self._by_index.get(index) or self._new(index)
        if not self._calls or position > 0:
            return self._new(None)
        latest = self._calls[-1]
        name = fragment.function.name if fragment.function else None
        if name and latest.key >= 0 and name != latest.name:
            return self._new(None)
        return latest

    def _shares_id(self, call: _Call, fragment: ToolCall) -> bool:
        """Say whether two calls were given one id: a name begins at an index that no call has yet."""
        if fragment.index is None or fragment.index == call.index or call.index is None:
            return False
        at_index = self._by_index.get(fragment.index)
        if at_index is not None:
            return at_index.id == fragment.id
        return bool(fragment.function and fragment.function.name)

    def _identify(self, call: _Call, call_id: str) -> _Call:
        call.id = call_id
        if self._by_id.setdefault(call_id, call) is not call:
            call.shared = True
        return call

    def _new(self, index: int | None) -> _Call:
        call = _Call(len(self._calls), index)
        self._calls.append(call)
        self._waiting.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _open_until(self, last: _Call, events: list[AnswerEvent]) -> None:
        """Open `last`, after those before it whose names are known: parts are in the order of the calls."""
        still: list[_Call] = []
        for call in self._waiting:
            if call.name and call.position <= last.position:
                self._open(call, events)
            else:
                still.append(call)
        self._waiting = still

    def _open(self, call: _Call, events: list[AnswerEvent]) -> None:
        call.key = self._new_key()
        usable = call.id and not call.shared
        call_id = call.id if usable else call_id_at(self._answer_id, self._choice, call.position)
        events.append(Open(call.key, "custom_call" if call.custom else "call", self._choice, call_id, call.name))
        if call.arguments:
            events.append(Delta(call.key, "".join(call.arguments)))
        if call.token is not None:
            events.append(Sign(call.key, call.token))
