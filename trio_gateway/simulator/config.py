"""The simulator's settings."""

from __future__ import annotations

import msgspec

from trio_gateway.simulator.script import Script

PROVIDERS = ("openai", "anthropic", "ollama", "gemini")


class SimulatorConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where simulated providers listen, and what they answer unless a request's directives say otherwise.

    One port serves all `providers` (their paths tell them apart; `/v1/models` goes by the request's headers), except
    those that `ports` gives one of their own. Port 0 takes any free one.
    """

    host: str = "127.0.0.1"
    port: int = 0
    ports: dict[str, int] = {}
    providers: tuple[str, ...] = PROVIDERS
    api_key: str = ""
    """The credential every provider demands, in its own header; "": none is looked at."""
    models: dict[str, tuple[str, ...]] = {}
    """By provider: the models it lists. Answers are given for any model."""
    strict: bool = True
    """Whether requests are refused for what the real provider refuses; if not, only for what is not understood."""

    text: str | None = None
    chunks: int | None = None
    latency_s: float | None = None
    first_wait_s: float | None = None
    gap_s: float | None = None
    script: Script = Script()
    """The defaults in full; the five members above go before it."""

    coalesce: bool = False
    """Whether a stream without gaps leaves in one write. If not, each event is a write of its own."""
    recorded_requests: int = 1000
    """How many requests and closed connections the observer remembers."""
    max_body_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in (*self.providers, *self.ports, *self.models):
            if name not in PROVIDERS:
                raise ValueError(f"unknown provider {name!r}: known are {', '.join(PROVIDERS)}")

    @property
    def defaults(self) -> Script:
        """The script that answers follow where their requests ask for nothing else."""
        given = {
            "text": self.text,
            "chunks": self.chunks,
            "latency_s": self.latency_s,
            "first_wait_s": self.first_wait_s,
            "gap_s": self.gap_s,
        }
        return msgspec.structs.replace(
            self.script, **{name: value for name, value in given.items() if value is not None}
        )
