"""`trio-gateway bench`: the client half of the benchmarks, against any OpenAI-compatible endpoint or two."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from trio_gateway.bench.figures import Figures, table
from trio_gateway.bench.load import Endpoint, Load, run_load
from trio_gateway.cli.serve import run
from trio_gateway.errors import ConfigError
from trio_gateway.secrets import UnresolvedSecret, resolve

_TOLD_EVERY = 50  # requests, on a terminal


def bench(options: argparse.Namespace) -> int:
    """Measure, and print a table. The exit status is 1 where nothing was answered. Raises ConfigError."""
    endpoints = {"url": _endpoint("--url", options.url, options.key, options.model)}
    if options.against:
        model = options.against_model or options.model
        # The one it is held against stands first: the difference is what --url adds.
        endpoints = {"against": _endpoint("--against", options.against, options.against_key, model), **endpoints}
    load = Load(options.concurrency, options.seconds, options.stream, options.prompt, options.requests)
    return run(_measure, endpoints, load, options.json)


def _endpoint(option: str, url: str, key: str, model: str) -> Endpoint:
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ConfigError([f"{option}: must be a URL such as http://127.0.0.1:18789/v1, not {url!r}"])
    if not key:
        return Endpoint(url, "none", model)
    try:
        return Endpoint(url, resolve(key, os.environ, Path.cwd()).reveal(), model)
    except UnresolvedSecret as error:
        raise ConfigError([f"{option.replace('--url', '--')}key: {error}"]) from error


async def _measure(endpoints: dict[str, Endpoint], load: Load, as_json: bool) -> int:
    measured = await run_load(endpoints, load, _tell if sys.stderr.isatty() else _tell_nothing)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if as_json:
        print(msgspec.json.encode({name: _with_rate(figures) for name, figures in measured.items()}).decode())
    else:
        print(table(measured))
    for name, figures in measured.items():
        for error, count in figures.errors.items():
            print(f"{name}: {count} times: {error}", file=sys.stderr)
    return 0 if all(figures.requests > figures.failed for figures in measured.values()) else 1


def _with_rate(figures: Figures) -> dict[str, object]:
    return {**msgspec.structs.asdict(figures), "per_second": figures.per_second}


def _tell(name: str, count: int) -> None:
    if count % _TOLD_EVERY == 0:
        print(f"\r{name}: {count} requests", end="", file=sys.stderr, flush=True)


def _tell_nothing(name: str, count: int) -> None:
    pass
