"""The record of one exchange: what it was, where it went, how it ended and what it used."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from trio_gateway.dialects.conversation import Losses, Usage
from trio_gateway.errors import ClientError, GatewayError, UpstreamError, UpstreamTimeout

_POINTERS_MAX = 5

Outcome: TypeAlias = Literal["ok", "cancelled", "client_error", "upstream_error", "timeout", "gateway_error"]


class Record(msgspec.Struct, kw_only=True):
    """Filled in as the exchange goes on. Until it has ended, the outcome is what it is if the client leaves now.

    Times are of the event loop's clock, in seconds.
    """

    request_id: str
    endpoint: str
    started_s: float
    model: str | None = None
    channel: str | None = None
    target_model: str | None = None
    stream: bool = False
    status: int | None = None
    outcome: Outcome = "cancelled"
    error: str | None = None
    first_event_s: float | None = None
    ended_s: float | None = None
    usage: Usage | None = None
    losses: int = 0  # of the request
    lost: list[str] = []  # the first pointers of them
    answer_losses: int = 0  # of what came back, plain or streamed
    answer_lost: list[str] = []
    upstream_request_id: str | None = None
    attempts: int = 0  # on all targets, those of a lost race included
    hedges: int = 0  # of them, started beside one that was slow
    tried: list[str] = []  # a line for each attempt that gave no answer

    def lost_of_request(self, losses: Losses) -> None:
        if losses:
            self.losses, self.lost = len(losses), _first_pointers(losses)

    def lost_of_answer(self, losses: Losses) -> None:
        if losses:
            self.answer_losses, self.answer_lost = len(losses), _first_pointers(losses)

    def failed(self, error: GatewayError) -> None:
        """Note how the exchange failed."""
        self.error = error.message
        if isinstance(error, UpstreamTimeout):
            self.outcome = "timeout"
        elif isinstance(error, UpstreamError):
            self.outcome = "upstream_error"
        elif isinstance(error, ClientError):
            self.outcome = "client_error"
        else:
            self.outcome = "gateway_error"


def _first_pointers(losses: Losses) -> list[str]:
    return list(dict.fromkeys(loss.pointer for loss in losses))[:_POINTERS_MAX]
