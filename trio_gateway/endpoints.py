"""The endpoints that models answer at: which dialect is spoken there, and what is asked for."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from trio_gateway.dialects.carriage import Carriage, ChatCarriage, EmbeddingsCarriage

Operation: TypeAlias = Literal["chat", "embeddings"]


class Endpoint(NamedTuple):
    """`name` is what logs say."""

    name: str
    dialect: str
    operation: Operation

    def read(self, body: bytes) -> Carriage:
        """Return the request that `body` makes here. Raises InvalidRequest."""
        if self.operation == "embeddings":
            return EmbeddingsCarriage("ollama" if self.dialect == "ollama" else "openai_chat", body)
        return ChatCarriage(self.dialect, body)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/chat/completions"): Endpoint("chat.completions", "openai_chat", "chat"),
    ("POST", "/v1/embeddings"): Endpoint("embeddings", "openai_chat", "embeddings"),
}

# What a wrong method at one of these paths is told to use.
METHODS: dict[str, str] = {path: method for method, path in ENDPOINTS}
