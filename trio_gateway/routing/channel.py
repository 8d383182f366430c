"""A channel at work: its configuration, made ready so that a request only fills in what is its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from trio_gateway.config import ChannelConfig
from trio_gateway.dialects import Dialect, dialect
from trio_gateway.dialects.capabilities import Capabilities, capabilities_for
from trio_gateway.dialects.carriage import Carriage, Operation
from trio_gateway.errors import InvalidRequest, UpstreamError
from trio_gateway.routing import providers
from trio_gateway.routing.keys import KeyRing
from trio_gateway.routing_config import Timeouts
from trio_gateway.secrets import Secret
from trio_gateway.transport.upstream import Upstream, UpstreamSettings
from trio_gateway.transport.watch import Watch

# What keys look like, whole or masked: providers quote the key they refuse.
_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|key|AIza|gsk|xai)[-_][\w*.…-]{6,}|\bAIza[\w*-]{10,}|\*{3,}[\w-]+")

# Of a key that is taken out of texts. Shorter ones are placeholders ("none", "ollama") for servers that ask for none:
# the keys of providers have several times as many characters, a secret of seven can be guessed, and "broken" would be
# garbled for the key "k".
_KEY_LENGTH_MIN = 8

_CAPABILITIES_REMEMBERED_MAX = 1024

# The clients' headers that go on to a provider of the same dialect, where nothing is translated.
_FORWARDED = {
    "anthropic_messages": (b"anthropic-beta", b"anthropic-version"),
    "openai_chat": (b"openai-beta",),
    "openai_responses": (b"openai-beta",),
}
_WITHOUT_SAMPLING = "2026-10-21"  # the version of Anthropic's API from which on sampling parameters are refused


class Channel:
    """Long-lived; `upstream` is closed by whoever made the gateway."""

    def __init__(self, name: str, config: ChannelConfig, timeouts: Timeouts, watch: Watch | None = None) -> None:
        """`watch` looks after the deadlines of what the upstream is asked; see `Upstream`."""
        self.name = name
        self.config = config
        self.timeouts = config.timeouts.over(timeouts)
        provider = providers.PROVIDERS[config.provider]
        self.dialect_name = provider.dialect
        self.dialect: Dialect = dialect(provider.dialect)
        self.address = providers.address(config)
        host = urlsplit(self.address.origin).netloc
        revealed = [key.reveal() for key in config.keys]
        self._untold = [key for key in revealed if len(key) >= _KEY_LENGTH_MIN]
        self.keys = KeyRing(len(config.keys))
        keys: list[Secret | None] = [*config.keys] or [None]
        self._headers = [providers.headers(config, host, key) for key in keys]
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
            ),
            watch=watch,
        )
        self._capabilities: dict[tuple[str, str], Capabilities] = {}
        self._marks: dict[str, list[tuple[bytes, bytes]]] = {}

    def speaks(self, carriage: Carriage, model: str) -> str:
        """Return what a request goes out in: the channel's dialect, an older endpoint of it, or OpenAI's second one."""
        if carriage.older is not None and self.has(carriage.older, model):
            return carriage.older
        if self.address.responses is not None and carriage.wants_responses(self.capabilities(model)):
            return "openai_responses"
        return self.dialect_name

    def has(self, older: str, model: str) -> bool:
        """Say whether the model is served at an older endpoint of the channel's dialect."""
        if older not in self.address.older:
            return False
        # Everybody speaks Chat. Who has the endpoint before it, and for which models, has to be known.
        return older != "openai_completions" or self.capabilities(model).completions

    def request_target(self, operation: Operation, model: str, stream: bool, speaks: str = "") -> bytes:
        """Return the request target of an operation. Raises InvalidRequest where the provider has none for it."""
        if speaks == "openai_responses" and self.address.responses is not None:
            return self.address.responses.encode("ascii")
        if speaks in self.address.older:
            return self.address.older[speaks].encode("ascii")
        if operation == "count":
            # Where there is none the count is estimated, and nobody is asked.
            return providers.for_model(self.address.counting or "", model).encode("ascii")
        if operation == "embedding" and self.address.embedding is not None:
            return providers.for_model(self.address.embedding, model).encode("ascii")
        if operation in ("embeddings", "embedding"):
            if self.address.embeddings is None:
                raise InvalidRequest(
                    f"The channel {self.name} ({self.config.provider}) serves no embeddings.",
                    code="unsupported_operation",
                    pointer="/model",
                )
            return providers.for_model(self.address.embeddings, model).encode("ascii")
        return providers.for_model(self.address.stream if stream else self.address.chat, model).encode("ascii")

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What a request of the gateway's own goes out with. Not to be changed."""
        return self._headers[0]

    def headers_for(self, carriage: Carriage, client: Mapping[bytes, bytes], key: int = 0) -> list[tuple[bytes, bytes]]:
        """Return the headers a request goes out with; `client` are those it came with. Not to be changed.

        `key` is the number of the channel's key to use.
        """
        own = self._headers[key]
        if not carriage.same:
            return own
        given = [(name, client[name]) for name in _FORWARDED.get(self.dialect_name, ()) if name in client]
        if not given:
            return own
        names = {name for name, _ in given}
        return [header for header in own if header[0] not in names] + given

    def capabilities(self, model: str, speaks: str | None = None) -> Capabilities:
        """Return what the model can take: the shipped table, with the channel's own word over it.

        `speaks` is the dialect it is spoken to in, where that is not the channel's first.
        """
        key = (model, speaks or self.dialect_name)
        found = self._capabilities.get(key)
        if found is None:
            if len(self._capabilities) >= _CAPABILITIES_REMEMBERED_MAX:
                self._capabilities.clear()
            found = capabilities_for(key[1], model, self._overrides())
            self._capabilities[key] = found
        return found

    def _overrides(self) -> dict[str, object]:
        """Return the channel's own word: fields by pattern, and fields for every model."""
        config = self.config
        overrides: dict[str, object] = dict(config.capabilities)
        if config.provider == "anthropic" and (config.api_version or "") >= _WITHOUT_SAMPLING:
            return {"sampling": "none", **overrides}
        return overrides

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
        return error.redacted(self.without_keys)

    def without_keys(self, text: str) -> str:
        """Return `text` with a word in the place of each key, the channel's own or what looks like one."""
        for key in self._untold:
            text = text.replace(key, "[key]")
        return _KEY_LIKE.sub("[key]", text)


def header_safe(text: str) -> bytes:
    """Return `text` as a header's value: what is not visible ASCII is percent-encoded."""
    return quote(text, safe=" !#$&'()*+,/:;=?@[]~-._|<>^`{}\"").encode("ascii")
