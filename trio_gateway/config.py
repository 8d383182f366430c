"""The configuration's structs; loading, and saying everything that is wrong with it at once.

TOML, decoded by msgspec structs that forbid unknown keys. Times are seconds, sizes bytes. Wherever a secret is
expected a literal, `env:NAME` or `file:PATH` will do.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from trio_gateway.config_problems import Problems, read_struct
from trio_gateway.errors import ConfigError
from trio_gateway.route_checks import check_routes
from trio_gateway.routing_config import BreakerConfig, RouteConfig, Seconds, TimeoutOverrides, Timeouts
from trio_gateway.secrets import Secret
from trio_gateway.server_config import ServerConfig

ProviderName = Literal["openai", "anthropic", "gemini", "ollama", "openai_compatible"]
Connections = Annotated[int, msgspec.Meta(ge=1, le=100_000)]

_BIND = re.compile(r"unix:.+|(?:\[[^\[\]]+\]|[^:\[\]]+):[0-9]{1,5}")

TOKEN_VARIABLE = "TRIO_GATEWAY_TOKEN"  # noqa: S105 (a name, not a token)
FALLBACK_TOKEN_VARIABLE = "OPENCLAW_GATEWAY_TOKEN"  # noqa: S105 (a name, not a token)


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use the gateway. Several tokens are accepted at once, so that they can be rotated.

    `failures_max` failures of one client address within `failures_window_s` lock it out for `lockout_s`;
    loopback addresses never are.
    """

    tokens: list[Secret] = []
    failures_max: Annotated[int, msgspec.Meta(ge=1)] = 10
    failures_window_s: Seconds = 60.0
    lockout_s: Seconds = 300.0


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upstream. `provider` gives the base URL, the credential's header and the dialect.

    `api_keys` are used in turn; `api_key` is the form for one. `discover` asks the provider for its models now and
    then. `base_url` means what it means in the vendor's own SDK: OpenAI's ends in /v1, the others' do not.
    `models` are names or patterns (* and ?); `rename` maps names that clients write to the provider's.
    `capabilities` says, per model pattern, what differs from the shipped table.
    """

    provider: ProviderName
    api_key: Secret | None = None
    api_keys: list[Secret] = []
    base_url: str | None = None
    models: Annotated[list[str], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["*"])
    rename: dict[str, str] = {}
    discover: bool = False
    timeouts: TimeoutOverrides = TimeoutOverrides()
    connections_max: Connections = 1000
    connection_idle_s: Seconds = 30.0
    api_version: str | None = None  # anthropic: the anthropic-version header; gemini: the path's first part
    transport: Literal["native", "httpx"] = "native"
    proxy: str | None = None  # with transport = "httpx"
    http2: bool = False  # with transport = "httpx"
    cafile: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    capabilities: dict[str, dict[str, Any]] = {}

    @property
    def keys(self) -> list[Secret]:
        """Return the keys, however they are written; none for a provider that takes none."""
        return self.api_keys or ([] if self.api_key is None else [self.api_key])


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line an exchange, on stderr. `auto` is text on a terminal and JSON otherwise."""

    format: Literal["auto", "text", "json", "off"] = "auto"


class FetchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Media that a client names by URL and a target wants as bytes: fetched where `enabled`, refused otherwise.

    `max_bytes` is for each, `total_bytes` and `total_s` for all of one request together. Public addresses only.
    """

    enabled: bool = False
    max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 20 * 1024 * 1024
    total_bytes: Annotated[int, msgspec.Meta(ge=1)] = 50 * 1024 * 1024
    urls_max: Annotated[int, msgspec.Meta(ge=1)] = 20
    redirects_max: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3
    connect_s: Seconds = 5.0
    total_s: Seconds = 20.0


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    server: ServerConfig = ServerConfig()
    auth: AuthConfig = AuthConfig()
    timeouts: Timeouts = Timeouts()
    log: LogConfig = LogConfig()
    fetch: FetchConfig = FetchConfig()
    breaker: BreakerConfig = BreakerConfig()
    channels: dict[str, ChannelConfig] = {}
    routes: list[RouteConfig] = []
    reload_on_change: bool = False  # besides SIGHUP: look at the file every few seconds


def load(path: Path, environ: Mapping[str, str], server: Mapping[str, Any] | None = None) -> Config:
    """Read and validate a configuration file. Raises ConfigError with every problem found, a line each.

    `server` holds keys of the [server] table that go before the file's.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error
    if server and isinstance(document.setdefault("server", {}), dict):
        document["server"].update(server)
    return validate(document, environ, str(path), path.parent)


def validate(document: dict[str, Any], environ: Mapping[str, str], name: str, base: Path) -> Config:
    """Return the configuration that a decoded document describes. Raises ConfigError."""
    environ = _with_token_fallback(environ)
    problems = Problems(name, environ, base, {ChannelConfig: _check_channel, ServerConfig: _check_server})
    config = read_struct(Config, document, "", problems)
    if isinstance(config, Config):
        config = _with_token_from_environment(config, environ)
        check_routes(config.routes, config.channels, problems)
        _check_reach(config, problems)
    if problems.lines or not isinstance(config, Config):
        raise ConfigError(problems.lines)
    return config


def environment_config(
    environ: Mapping[str, str],
    ollama_models: list[str] | None,
    server: Mapping[str, Any] | None = None,
    ollama_base_url: str | None = None,
) -> Config:
    """Return the configuration of a gateway that has no file: a channel for each key in the environment.

    `ollama_models` is what the Ollama at `ollama_base_url` serves, None where none answers. Raises ConfigError.
    """
    channels: dict[str, dict[str, Any]] = {}
    if environ.get("OPENAI_API_KEY"):
        models = ["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "text-embedding-*"]
        channels["openai"] = {"provider": "openai", "api_key": "env:OPENAI_API_KEY", "models": models}
        if base_url := environ.get("OPENAI_BASE_URL"):
            channels["openai"]["base_url"] = base_url
    if environ.get("ANTHROPIC_API_KEY"):
        channels["anthropic"] = {"provider": "anthropic", "api_key": "env:ANTHROPIC_API_KEY", "models": ["claude-*"]}
        if base_url := environ.get("ANTHROPIC_BASE_URL"):
            channels["anthropic"]["base_url"] = base_url
    # Google's own client looks for its key under these names, in this order.
    gemini = next((name for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY") if environ.get(name)), None)
    if gemini is not None:
        models = ["gemini-*", "gemma-*"]
        channels["gemini"] = {"provider": "gemini", "api_key": f"env:{gemini}", "models": models}
        if base_url := environ.get("GOOGLE_GEMINI_BASE_URL"):
            channels["gemini"]["base_url"] = base_url
    if ollama_models is not None:
        # Last in the order: its names are exact, and a model pulled later is still served.
        channels["ollama"] = {"provider": "ollama", "models": [*sorted(ollama_models), "*"]}
        if ollama_base_url is not None:
            channels["ollama"]["base_url"] = ollama_base_url
    document: dict[str, Any] = {"channels": channels}
    if server:
        document["server"] = dict(server)
    return validate(document, environ, "environment", Path.cwd())


def is_loopback(bind: str) -> bool:
    """Say whether only this machine can reach a listener bound there."""
    if bind.startswith(("unix:", "fd://")):
        return True
    host = bind.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _with_token_fallback(environ: Mapping[str, str]) -> Mapping[str, str]:
    """OPENCLAW_GATEWAY_TOKEN stands in for TRIO_GATEWAY_TOKEN wherever that is asked for and absent."""
    fallback = environ.get(FALLBACK_TOKEN_VARIABLE, "").strip()
    if fallback and not environ.get(TOKEN_VARIABLE, "").strip():
        return {**environ, TOKEN_VARIABLE: fallback}
    return environ


def _with_token_from_environment(config: Config, environ: Mapping[str, str]) -> Config:
    """Where the document gives no token, the environment's is taken."""
    value = environ.get(TOKEN_VARIABLE, "").strip()
    if not value or config.auth.tokens:
        return config
    auth = msgspec.structs.replace(config.auth, tokens=[Secret(value, f"env:{TOKEN_VARIABLE}")])
    return msgspec.structs.replace(config, auth=auth)


def _check_channel(channel: ChannelConfig, at: str, problems: Problems) -> None:
    name = at.removeprefix("channels.")
    if not name or "/" in name or name != name.strip():
        problems.add(at, "a channel's name has no slash and no surrounding space")
    if channel.provider == "openai_compatible" and channel.base_url is None:
        problems.add(f"{at}.base_url", "is required for provider openai_compatible, for example https://host/v1")
    if channel.base_url is not None and not channel.base_url.startswith(("http://", "https://")):
        problems.add(f"{at}.base_url", "must begin with http:// or https://")
    if channel.api_key is not None and channel.api_keys:
        problems.add(f"{at}.api_keys", "goes in the place of api_key: give one of the two")
    if channel.provider in ("openai", "anthropic", "gemini") and not channel.keys:
        problems.add(f"{at}.api_key", f"is required for provider {channel.provider}: a literal, env:NAME or file:PATH")
    if channel.transport == "native" and (channel.proxy or channel.http2):
        problems.add(f"{at}.transport", 'must be "httpx" for a proxy or HTTP/2')
    if (channel.client_cert is None) != (channel.client_key is None):
        problems.add(f"{at}.client_cert", "client_cert and client_key go together")


def _check_server(server: ServerConfig, at: str, problems: Problems) -> None:
    for bind in _binds(server):
        if not _BIND.fullmatch(bind):
            problems.add(f"{at}.bind", "must be host:port, [v6-address]:port or unix:/path")
        elif server.workers > 1 and bind.endswith(":0"):
            problems.add(f"{at}.bind", "must name a port for several workers: each would take a free one of its own")


def _binds(server: ServerConfig) -> list[str]:
    return [server.bind] if isinstance(server.bind, str) else server.bind


def _check_reach(config: Config, problems: Problems) -> None:
    binds = [bind for bind in _binds(config.server) if _BIND.fullmatch(bind)]
    if not config.auth.tokens and not all(map(is_loopback, binds)):
        problems.add(
            "server.bind",
            "reaches beyond this machine, which needs a token: set auth.tokens or bind 127.0.0.1",
        )
