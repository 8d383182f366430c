"""Turns of a Conversation, written as `system` and `messages`.

Anthropic wants user and assistant in turns, a user first, and a call's results at the head of the user message that
follows it: where one is missing there, it refuses the request. System text comes first, in `system`; recent models also
take it in the middle, where a user message precedes it and an assistant's, or nothing, follows.
"""

from __future__ import annotations

from typing import Any

from gateway_schemas.anthropic_messages import TextBlock
from trio_gateway.dialects.anthropic_messages.blocks import BlockWriter
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    Conversation,
    File,
    Image,
    Loss,
    Losses,
    Opaque,
    Part,
    Text,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.unanswered import TOO_LATE, OpenCalls
from trio_gateway.errors import InvalidRequest

NAME = "anthropic_messages"

_SYSTEM = ("system", "developer")


def write_turns(
    conversation: Conversation, capabilities: Capabilities, blocks: BlockWriter, losses: Losses
) -> tuple[list[object], list[dict[str, Any]]]:
    """Return the blocks of `system`, and the messages."""
    writer = _TurnWriter(conversation, capabilities, blocks, losses)
    turns = conversation.turns
    for i, turn in enumerate(turns):
        if turn.name is not None:
            losses.append(Loss(turn.at + "/name", "the provider's messages have no name"))
        if turn.phase is not None:
            losses.append(Loss(turn.phase_pointer, "the provider's messages have no phase"))
        if turn.role in _SYSTEM:
            writer.write_system(turn, turns[i + 1 :])
        elif turn.role == "assistant":
            writer.write_assistant(turn)
        else:
            writer.write_user(turn)
    writer.end(turns)
    return writer.system, writer.messages


class _TurnWriter:
    __slots__ = ("_blocks", "_capabilities", "_losses", "_open", "_own", "_previous", "_results",
                 "messages", "system")  # fmt: skip

    def __init__(
        self, conversation: Conversation, capabilities: Capabilities, blocks: BlockWriter, losses: Losses
    ) -> None:
        self._own = conversation.source == NAME
        self._capabilities = capabilities
        self._blocks = blocks
        self._losses = losses
        self._previous: Turn | None = None  # that wrote something into `messages`
        self._open = OpenCalls()
        self._results = 0  # how many results the last message begins with
        self.system: list[object] = []
        self.messages: list[dict[str, Any]] = []

    def write_system(self, turn: Turn, following: list[Turn]) -> None:
        at_start = not self.messages
        in_place = not at_start and self._may_stand(turn, following)
        if turn.role == "developer":
            self._lose(turn, "the provider has no developer: it is sent as system")
        self._blocks.region = "messages" if in_place else "system"
        content = [block for part in turn.parts if (block := self._system_block(part)) is not None]
        self._blocks.region = "messages"
        if in_place:
            self._append("system", content, turn)
            return
        if content and not at_start:
            self._lose(turn, "this model takes system text at the start only: it is moved there")
        elif content and self.system and not self._own:
            self._lose(turn, "it becomes one system prompt with the one before")
        self.system += content

    def _system_block(self, part: Any) -> object | None:
        if type(part) is Text:
            return self._blocks.write(part)
        self._losses.append(Loss(part.at, "the provider takes text only in a system prompt"))
        return None

    def _may_stand(self, turn: Turn, following: list[Turn]) -> bool:
        if not self._capabilities.system_in_conversation or any(type(part) is not Text for part in turn.parts):
            return False
        before = self._previous
        if before is None or before.role == "assistant":
            last = before.parts[-1] if before is not None and before.parts else None
            if type(last) is not Opaque or last.dialect != NAME:
                return False
        after = next((other for other in following if other.role not in _SYSTEM), None)
        return after is None or (after.role == "assistant" and bool(after.parts))

    def write_assistant(self, turn: Turn) -> None:
        content = [block for part in turn.parts if (block := self._assistant_block(part)) is not None]
        if content and not self.messages:
            raise InvalidRequest(
                "This model's provider requires the first message to be the user's.",
                code="invalid_value",
                pointer=turn.at,
            )
        self._append("assistant", content, turn)
        calls, self._blocks.calls = self._blocks.calls, []
        if not self._own:
            for call in calls:
                self._open.ask(call)

    def _assistant_block(self, part: Part) -> object | None:
        if type(part) is Image or type(part) is File:
            self._losses.append(Loss(part.at, "the provider takes images and documents of the user's only"))
            return None
        return self._blocks.write(part)

    def write_user(self, turn: Turn) -> None:
        results: list[object] = []
        rest: list[object] = []
        for part in turn.parts:
            if type(part) is not ToolResult:
                if (block := self._blocks.write(part)) is not None:
                    rest.append(block)
            elif not self._open.answer(part) and self._open.is_passed_over(part):
                self._losses.append(Loss(part.at, TOO_LATE))
            else:
                results.append(self._blocks.write(part))
        message = self.messages[-1] if self.messages else None
        if message is None or message["role"] != "user":
            if self._append("user", results + rest, turn):
                self._results = len(results)
            return
        if not results and not rest:
            self._lose(turn, "an empty message is left out")
            return
        content = message["content"]
        if results and len(content) > self._results:
            self._lose(turn, "the results of tools are moved to the head of the message")
        elif rest and len(content) > self._results and not self._own:
            self._lose(turn, "it becomes one message with the one before")
        content[self._results : self._results] = results
        self._results += len(results)
        content += rest
        self._previous = turn

    def _append(self, role: str, content: list[object], turn: Turn) -> bool:
        """Append a message, or join it to the last one of the same role; say whether there is a new one."""
        if not content:
            self._lose(turn, "an empty message is left out")
            return False
        self._previous = turn
        if self._open.waiting and role != "user" and self.messages[-1]["role"] == "user":
            self._stand_in()
        if self.messages and self.messages[-1]["role"] == role:
            if not self._own:
                self._lose(turn, "it becomes one message with the one before")
            self.messages[-1]["content"] += content
            return False
        self.messages.append({"role": role, "content": content})
        return True

    def _stand_in(self) -> None:
        """Put an error in the place of each result that the last message, a user's, lacks."""
        errors = [self._blocks.stand_in(call) for call in self._open.pass_over()]
        self.messages[-1]["content"][self._results : self._results] = errors
        self._results += len(errors)

    def end(self, turns: list[Turn]) -> None:
        """Answer the last calls. Raise InvalidRequest for a conversation that the target refuses as a whole."""
        if self._open.waiting:
            if self.messages[-1]["role"] != "user":
                self.messages.append({"role": "user", "content": []})
                self._results = 0
            self._stand_in()
        if not self.messages:
            raise InvalidRequest(
                "This model's provider requires at least one message of the user's, with something in it.",
                code="invalid_value",
                pointer=turns[-1].at if turns else "",
            )
        last, turn = self.messages[-1], self._previous
        if last["role"] != "assistant" or turn is None:
            return
        if type(part := turn.parts[-1]) is Opaque and part.dialect == NAME:
            return
        if not self._capabilities.prefill:
            raise InvalidRequest(
                "This model does not continue an assistant's message: end with a user's.",
                code="invalid_value",
                pointer=turn.at,
            )
        content = last["content"]
        while content and type(block := content[-1]) is TextBlock and block.text != (trimmed := block.text.rstrip()):
            self._lose(turn, "the white space at its end is left out, which the provider refuses")
            block.text = trimmed
            if not trimmed:
                content.pop()
        if not content:
            self.messages.pop()

    def _lose(self, turn: Turn, reason: str) -> None:
        self._losses.append(Loss(turn.at, reason))
