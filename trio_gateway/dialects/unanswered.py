"""Calls in a history that got no result, for providers that refuse one: Anthropic, and OpenAI in both formats.

Clients of Gemini and Ollama may go on without a result, and so may any client whose user stops a tool and types on. A
stand-in says in its place that there is none, as one does for Gemini itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from trio_gateway.dialects.conversation import ToolCall, ToolResult, Turn

NO_RESULT = "No result was given for this call."

# Why there is a loss: at the call; and at a result that comes when the model has gone on without it.
ERROR_STANDS_IN = "has no result: an error stands in for it"
TEXT_STANDS_IN = "has no result: a text that says so stands in for it"
TOO_LATE = "left out: the model has gone on without it, and the provider takes results right after their calls only"


class OpenCalls:
    """The calls that wait for their results, for a writer that goes through a history in its order.

    `waiting` has them by id: two calls may have the same. What came before decides alone, so that a longer history is
    written with the same beginning.
    """

    __slots__ = ("_passed_over", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[str, list[ToolCall]] = {}
        self._passed_over: set[str] = set()

    def ask(self, call: ToolCall) -> None:
        self.waiting.setdefault(call.id, []).append(call)

    def answer(self, result: ToolResult) -> bool:
        """Say whether a call waits for this result, which it then does no longer."""
        calls = self.waiting.get(result.call_id)
        if calls is None:
            return False
        calls.pop()
        if not calls:
            del self.waiting[result.call_id]
        return True

    def is_passed_over(self, result: ToolResult) -> bool:
        """Say whether something stands in for this result already."""
        return result.call_id in self._passed_over

    def pass_over(self) -> list[ToolCall]:
        """Return the calls that still wait, for something else follows now; none waits any longer."""
        left = [call for calls in self.waiting.values() for call in calls]
        self._passed_over.update(self.waiting)
        self.waiting.clear()
        return left


def unanswered(turns: Sequence[Turn]) -> frozenset[int]:
    """Return the identities of the calls that no later result is for, wherever it stands."""
    waiting: dict[str, list[ToolCall]] = {}
    for turn in turns:
        if turn.role == "assistant":
            for part in turn.parts:
                if type(part) is ToolCall:
                    waiting.setdefault(part.id, []).append(part)
        elif waiting and turn.role == "tool":
            for part in turn.parts:
                if type(part) is ToolResult and (calls := waiting.get(part.call_id)):
                    calls.pop()  # of one id the last: the earlier ones were passed over
    return frozenset(id(call) for calls in waiting.values() for call in calls)
