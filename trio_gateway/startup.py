"""From a file or the environment to a configuration that can be served."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import msgspec

from trio_gateway.config import TOKEN_VARIABLE, Config, environment_config, load
from trio_gateway.errors import ConfigError
from trio_gateway.secrets import Secret

MADE_AT_START = "made at start"  # the reference of a token nobody configured

OLLAMA_VARIABLE = "OLLAMA_HOST"
OLLAMA_PORT = 11434
OLLAMA_ASK_S = 0.5  # a local server that is there answers in milliseconds


def configuration(path: str | None, environ: Mapping[str, str], server: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration in `path`, or the environment's where there is no file, with a token.

    `server` holds keys of the [server] table that go before the file's. Where no token is configured one is made:
    say so with `tell_token`. Raises ConfigError, also where there is no channel at all.
    """
    if path is not None:
        config = load(Path(path), environ, server)
    else:
        ollama = ollama_base_url(environ)
        config = environment_config(environ, ollama_models(ollama), server, ollama)
    require_channels(config, path)
    return config if config.auth.tokens else _with_new_token(config)


def require_channels(config: Config, path: str | None) -> None:
    """Raise ConfigError where there is nothing to serve."""
    if config.channels:
        return
    if path is not None:
        raise ConfigError([f"{path}: channels: is empty; add a [channels.NAME] table"])
    problem = (
        "There is no channel: set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY, start Ollama on 127.0.0.1:11434 "
        f"(or where {OLLAMA_VARIABLE} says), or name a file with --config"
    )
    raise ConfigError([problem])


def _with_new_token(config: Config) -> Config:
    token = Secret("tg-" + secrets.token_urlsafe(24), MADE_AT_START)
    return msgspec.structs.replace(config, auth=msgspec.structs.replace(config.auth, tokens=[token]))


def made_token(config: Config) -> Secret | None:
    """Return the token that was made because none was configured."""
    return next((token for token in config.auth.tokens if token.reference == MADE_AT_START), None)


def tell_token(config: Config, to: TextIO) -> None:
    """Print the token, if it was made at start: that is the only time it is shown."""
    token = made_token(config)
    if token is not None:
        print(
            f"No token is configured, so this one was made for this run: {token.reveal()}\n"
            f"To keep it, set {TOKEN_VARIABLE} in the environment, or auth.tokens in the configuration.",
            file=to,
            flush=True,
        )


def ollama_base_url(environ: Mapping[str, str]) -> str:
    """Return where Ollama is: OLLAMA_HOST as its own clients read it, HOST[:PORT] or a URL; this machine without it.

    Raises ConfigError.
    """
    scheme, separator, rest = environ.get(OLLAMA_VARIABLE, "").strip().rpartition("://")
    problem = ConfigError([f"{OLLAMA_VARIABLE}: must be HOST, HOST:PORT or an http(s) URL"])
    if scheme not in ("", "http", "https"):
        raise problem
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port
    except ValueError as error:
        raise problem from error
    host = parts.hostname or "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    if not separator:
        return f"http://{host}:{port or OLLAMA_PORT}{parts.path.rstrip('/')}"
    return f"{scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def ollama_models(base_url: str) -> list[str] | None:
    """Return the models of the Ollama there, None where none answers."""
    url = urlsplit(base_url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=OLLAMA_ASK_S)
    try:
        connection.request("GET", f"{url.path}/api/tags")
        response = connection.getresponse()
        if response.status != 200:
            return None
        listed = json.loads(response.read(4 * 1024 * 1024))
        return [str(model["name"]) for model in listed["models"]]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
