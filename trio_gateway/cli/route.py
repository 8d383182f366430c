"""`trio-gateway route`: which targets a model's requests would be tried on, in which order and why."""

from __future__ import annotations

import argparse
import http.client
import os
import sys
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import msgspec

from trio_gateway.config import TOKEN_VARIABLE, Config, load
from trio_gateway.errors import ConfigError, UnknownModel
from trio_gateway.routing.report import Report, TargetReport, decode_report
from trio_gateway.routing.routes import Plan, Routes, Stage
from trio_gateway.routing.table import RoutingTable
from trio_gateway.routing.targets import Targets

ASK_S = 5.0
REPORT_MAX_BYTES = 16 * 1024 * 1024


def route(options: argparse.Namespace) -> int:
    """Print the plan for a model, with the health of a running gateway's targets where its URL is given.

    Raises ConfigError: for the file, and for a gateway that does not answer.
    """
    config = load(Path(options.config), os.environ)
    try:
        plan = plan_for(config, options.model)
    except UnknownModel as error:
        print(error.message, file=sys.stderr)
        return 1
    health = None
    if options.url is not None:
        tokens = config.auth.tokens
        own = tokens[0].reveal() if tokens else ""
        health = ask_health(options.url, options.token or os.environ.get(TOKEN_VARIABLE) or own)
    print("\n".join(explained(options.model, plan, health)))
    return 0


def plan_for(config: Config, model: str) -> Plan:
    """Return the plan for a model. Raises UnknownModel."""
    chance = Random(0)  # noqa: S311 (nothing is drawn from it)
    return Routes(config.routes, RoutingTable(config.channels), Targets(config.breaker, {}), chance).resolve(model)


def explained(model: str, plan: Plan, health: Report | None) -> list[str]:
    """Return the plan in words, a line each."""
    found = {(entry.channel, entry.model): entry for entry in health.targets} if health is not None else None
    route = plan.route
    if route is None:
        lines = [f"{model}: no route; the first channel whose models match serves it, once"]
    else:
        named = "" if route.model == model else f" (pattern {route.model})"
        lines = [f"{model}: route{named}, {plan.attempts_max} attempts at most"]
    number = 0
    for index, stage in enumerate(plan.stages):
        lines.append(f"{'first' if index == 0 else 'then, when those have failed'}: {_how(plan, stage, index)}")
        total = sum(stage.weights)
        for state, weight in zip(stage.states, stage.weights, strict=True):
            number += 1
            share = f", weight {weight:g} of {total:g}" if len(stage.states) > 1 else ""
            limit = f", {state.places!r}".replace("<", "").replace(">", "") if state.places is not None else ""
            lines.append(
                f"  {number}. {state.name}{share}{limit}{_now(found, state.target.channel, state.target.model)}"
            )
    if route is not None and route.hedge is not None:
        after = f"{route.hedge.after_s:g} s" if not isinstance(route.hedge.after_s, str) else route.hedge.after_s
        lines.append(
            f"hedge: without a first event after {after} the next is started beside it, {route.hedge.max} at most, "
            f"for {route.hedge.budget:.0%} of the requests"
        )
    if route is not None and route.coalesce:
        lines.append("coalesce: identical requests with temperature 0 share one answer")
    return lines


def _how(plan: Plan, stage: Stage, index: int) -> str:
    attempts = f"{stage.retry.attempts} attempt{'s' if stage.retry.attempts != 1 else ''}"
    if plan.route is None or len(stage.states) == 1:
        return attempts
    sticky = f", by {plan.route.sticky} where there is one" if index == 0 and plan.route.sticky else ""
    return f"{attempts}, {type(stage.balance).__name__}{sticky}"


def _now(found: dict[tuple[str, str], TargetReport] | None, channel: str, model: str) -> str:
    if found is None:
        return ""
    entry = found.get((channel, model))
    if entry is None:
        return ": not asked yet"
    words = [entry.state, f"{entry.in_flight} in flight"]
    if entry.waiting:
        words.append(f"{entry.waiting} waiting")
    if entry.expected_s is not None:
        words.append(f"first event in {entry.expected_s:.3g} s")
    if entry.keys_ready < entry.keys:
        words.append(f"{entry.keys_ready} of {entry.keys} keys ready")
    if entry.retry_after_s is not None:
        words.append(f"left alone for {entry.retry_after_s:g} s more")
    return f": {', '.join(words)}" + (f" ({entry.reason})" if entry.reason else "")


def ask_health(url: str, token: str) -> Report:
    """Return what the gateway at `url` says of its targets. Raises ConfigError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError([f"--url: {url}: must begin with http:// or https:// and name a host"])
    connection = kind(parts.hostname, parts.port, timeout=ASK_S)
    try:
        connection.request("GET", "/admin/health", headers={"authorization": f"Bearer {token}"})
        response = connection.getresponse()
        body = response.read(REPORT_MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise ConfigError([f"--url: {url}: does not answer: {error}"]) from error
    finally:
        connection.close()
    if response.status == 401:
        raise ConfigError([f"--token: the gateway at {url} does not take it"])
    try:
        return decode_report(body)
    except msgspec.DecodeError as error:
        raise ConfigError([f"--url: {url}: does not tell its health (status {response.status})"]) from error
