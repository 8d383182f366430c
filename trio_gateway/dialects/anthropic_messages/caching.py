"""Cache marks: at most four, in the order of the prompt, longer ones first."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway_schemas.anthropic_messages import CacheControl
from trio_gateway.dialects.conversation import CacheMark, Conversation, Loss, Losses
from trio_gateway.dialects.members import mark_at

MARKS_MAX = 4

_encode = msgspec.json.Encoder().encode

_FIVE_MINUTES = msgspec.Raw(_encode(CacheControl(ttl="5m")))
_ONE_HOUR = msgspec.Raw(_encode(CacheControl(ttl="1h")))
_DEFAULT = msgspec.Raw(_encode(CacheControl()))


class CacheMarks:
    """Collects the blocks that are marked, each with its mark, in the three regions of the prompt."""

    __slots__ = ("_losses", "_regions")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._regions: dict[str, list[tuple[Any, CacheMark, str]]] = {}

    def add(self, region: str, block: Any, mark: CacheMark | None, at: str) -> None:
        """Mark `block`, a struct with a `cache_control` that no one has encoded yet."""
        if mark is not None:
            self._regions.setdefault(region, []).append((block, mark, mark_at(mark, at)))

    def lose(self, mark: CacheMark | None, at: str, reason: str) -> None:
        if mark is not None:
            self._losses.append(Loss(mark_at(mark, at), reason))

    def settle(self, body: dict[str, Any], conversation: Conversation) -> None:
        """Write the marks into the blocks, as many as the provider takes: the last ones cover the most."""
        room = MARKS_MAX
        if conversation.cache is not None:
            body["cache_control"] = self._control(conversation.cache, conversation.pointer("cache"))
            room -= 1
        if not self._regions:
            return
        marked = [entry for region in ("tools", "system", "messages") for entry in self._regions.get(region, ())]
        for _, _, at in marked[: max(0, len(marked) - room)]:
            self._losses.append(Loss(at, f"the provider takes {MARKS_MAX} cache marks: the first ones are left out"))
        short_seen = False
        for block, mark, at in marked[max(0, len(marked) - room) :]:
            control = self._control(mark, at)
            if control is _ONE_HOUR and short_seen:
                self._losses.append(Loss(at, "shortened to 5m: longer marks must come before shorter ones"))
                control = _FIVE_MINUTES
            short_seen = short_seen or control is not _ONE_HOUR
            block.cache_control = control

    def _control(self, mark: CacheMark, at: str) -> msgspec.Raw:
        if mark.ttl is None:
            return _DEFAULT
        if mark.ttl == "5m":
            return _FIVE_MINUTES
        if mark.ttl != "1h":
            self._losses.append(Loss(at, f"the provider keeps a cache for 5m or 1h, not {mark.ttl}: 1h"))
        return _ONE_HOUR
