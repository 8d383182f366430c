"""A channel at work: its configuration, made ready so that a request only fills in what is its own."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote, urlsplit

from trio_gateway.config import ChannelConfig, Timeouts
from trio_gateway.dialects import Dialect, dialect
from trio_gateway.dialects.capabilities import Capabilities, capabilities_for
from trio_gateway.errors import InvalidRequest, UpstreamError
from trio_gateway.routing import providers
from trio_gateway.transport.upstream import Upstream, UpstreamSettings

# What keys look like, whole or masked: providers quote the key they refuse.
_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|key|AIza|gsk|xai)[-_][\w*.…-]{6,}|\bAIza[\w*-]{10,}|\*{3,}[\w-]+")

_CAPABILITIES_REMEMBERED_MAX = 1024


class Channel:
    """Long-lived; `upstream` is closed by whoever made the gateway."""

    def __init__(self, name: str, config: ChannelConfig, timeouts: Timeouts) -> None:
        self.name = name
        self.config = config
        self.timeouts = config.timeouts.over(timeouts)
        provider = providers.PROVIDERS[config.provider]
        self.dialect_name = provider.dialect
        self.dialect: Dialect = dialect(provider.dialect)
        self.address = providers.address(config)
        self.headers = providers.headers(config, urlsplit(self.address.origin).netloc)
        self.upstream = Upstream(
            UpstreamSettings(
                base_url=self.address.origin,
                connections_max=config.connections_max,
                idle_s=config.connection_idle_s,
                connect_s=self.timeouts.connect_s,
                cafile=config.cafile,
                client_cert=config.client_cert,
                client_key=config.client_key,
                transport=config.transport,
                proxy=config.proxy,
                http2=config.http2,
            )
        )
        self._capabilities: dict[str, Capabilities] = {}
        self._marks: dict[str, list[tuple[bytes, bytes]]] = {}

    def request_target(self, operation: Literal["chat", "embeddings"], model: str, stream: bool) -> bytes:
        """Return the request target of an operation. Raises InvalidRequest where the provider has none for it."""
        if operation == "embeddings":
            if self.address.embeddings is None:
                raise InvalidRequest(
                    f"The channel {self.name} ({self.config.provider}) serves no embeddings.",
                    code="unsupported_operation",
                    pointer="/model",
                )
            return self.address.embeddings.encode("ascii")
        return providers.for_model(self.address.stream if stream else self.address.chat, model).encode("ascii")

    def capabilities(self, model: str) -> Capabilities:
        """Return what the model can take: the shipped table, with the channel's own word over it."""
        found = self._capabilities.get(model)
        if found is None:
            if len(self._capabilities) >= _CAPABILITIES_REMEMBERED_MAX:
                self._capabilities.clear()
            found = capabilities_for(self.dialect_name, model, self.config.capabilities)
            self._capabilities[model] = found
        return found

    def marks(self, model: str) -> list[tuple[bytes, bytes]]:
        """Return the answer's headers that say where the request went. Not to be changed."""
        found = self._marks.get(model)
        if found is None:
            if len(self._marks) >= _CAPABILITIES_REMEMBERED_MAX:
                self._marks.clear()
            found = [
                (b"x-gateway-channel", header_safe(self.name)),
                (b"x-gateway-model", header_safe(model)),
            ]
            self._marks[model] = found
        return found

    def redacted(self, error: UpstreamError) -> UpstreamError:
        """Take anything that looks like a key out of what the provider said."""
        message = error.message
        if self.config.api_key is not None:
            message = message.replace(self.config.api_key.reveal(), "[key]")
        error.message = _KEY_LIKE.sub("[key]", message)
        return error


def header_safe(text: str) -> bytes:
    """Return `text` as a header's value: what is not visible ASCII is percent-encoded."""
    return quote(text, safe=" !#$&'()*+,/:;=?@[]~-._|<>^`{}\"").encode("ascii")
