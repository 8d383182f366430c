"""The gateway as a process: how it starts, what it prints, how it stops, and who else may serve it."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.processes import (
    KEY,
    MODELS,
    MODULE,
    PATIENCE_S,
    TOKEN,
    Running,
    Simulated,
    free_port,
    start,
    write_config,
)

BIND = ("--bind", "127.0.0.1:0")
ENDLESS = "Hi [sim: chunks=3 fail=silence@2]"


@contextmanager
def serving(simulated: Simulated, tmp_path: Path, **tables: Any) -> Iterator[tuple[Running, str]]:
    """A gateway of the test's own, to be stopped by it; and its URL."""
    config = write_config(tmp_path / "gateway.toml", simulated, **tables)
    with start(*MODULE, "serve", "--config", str(config)) as running:
        yield running, running.serving_on()


@contextmanager
def asked(url: str, text: str, *, token: str = TOKEN, model: str = "gpt-5-mini") -> Iterator[Iterator[str]]:
    """The data lines of a streamed answer, as they come."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
    headers = {"authorization": f"Bearer {token}"}
    with (
        httpx.Client(trust_env=False, timeout=PATIENCE_S) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body, headers=headers) as reply,
    ):
        assert reply.status_code == 200
        yield (line for line in reply.iter_lines() if line)


def chat(url: str, model: str, text: str = "Hello", token: str = TOKEN) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, trust_env=False, timeout=PATIENCE_S)


def content(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    return str(reply.json()["choices"][0]["message"]["content"])


@contextmanager
def idle_connection(url: str) -> Iterator[socket.socket]:
    """A connection that waits for its next request. It ends when a gateway that drains has closed its door."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n")
        answer = b""
        while not answer.endswith(b'{"status":"ok"}'):
            answer += connection.recv(65536)
        yield connection


def refused(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


# ------------------------------------------------------------------------------------------------ starting


def keys(simulated: Simulated) -> dict[str, str]:
    """The environment of somebody who has a key for three providers, and an Ollama."""
    return {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{simulated.origin}/v1",
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": simulated.origin,
        "GEMINI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": simulated.origin,
        "OLLAMA_HOST": simulated.origin.removeprefix("http://"),
    }


def test_without_a_file_there_is_a_channel_for_each_key_and_for_ollama(simulated: Simulated) -> None:
    with start(*MODULE, "serve", *BIND, **keys(simulated), TRIO_GATEWAY_TOKEN=TOKEN) as running:
        url = running.serving_on()
        for provider, model in MODELS.items():
            reply = chat(url, model)
            assert content(reply) == 'You said: "Hello".'
            assert reply.headers["x-gateway-channel"] == provider
        listed = httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False).json()
        assert {entry["owned_by"] for entry in listed["data"]} == set(MODELS)


def test_a_token_that_was_made_is_told_once_and_never_logged(simulated: Simulated) -> None:
    with start(*MODULE, "serve", *BIND, **keys(simulated)) as running:
        url = running.serving_on()
        token = running.stdout.wait_for(r"made for this run: (\S+)")[0][1]
        running.stdout.wait_for("set TRIO_GATEWAY_TOKEN")
        assert content(chat(url, "gpt-5-mini", token=token))
        assert chat(url, "gpt-5-mini", token="tg-guessed").status_code == 401
        assert chat(url, "gpt-5-mini", f"[sim: status=500] {token}", token=token).status_code == 500
        running.signal(signal.SIGTERM)
        assert running.exit_status() == 0
    assert sum(line.count(token) for line in running.stdout.lines) == 1
    assert not any(token in line for line in running.stderr.lines)


@pytest.mark.parametrize("variable", ["TRIO_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_TOKEN"])
def test_a_token_of_the_environment_is_taken_and_not_told(simulated: Simulated, variable: str) -> None:
    with start(*MODULE, "serve", *BIND, **keys(simulated), **{variable: "tg-from-outside"}) as running:
        url = running.serving_on()
        assert content(chat(url, "gpt-5-mini", token="tg-from-outside"))
        assert chat(url, "gpt-5-mini").status_code == 401
        running.signal(signal.SIGTERM)
        assert running.exit_status() == 0
    assert not any("tg-from-outside" in line for line in (*running.stdout.lines, *running.stderr.lines))
    assert running.stdout.lines == []


# ------------------------------------------------------------------------------------------------- logging


def test_each_exchange_is_a_line_of_json_on_stderr(simulated: Simulated, tmp_path: Path) -> None:
    with serving(simulated, tmp_path) as (running, url):
        chat(url, "claude-sonnet-5-5", "Hi [sim: prompt=11 completion=7]")
        with asked(url, "Hi") as lines:
            assert list(lines)[-1] == "data: [DONE]"
        chat(url, "gpt-5-mini", "Hi [sim: status=429]")
        chat(url, "nobody", "Hi")
        running.signal(signal.SIGTERM)
        assert running.exit_status() == 0
    lines_logged = [json.loads(line) for line in running.stderr.lines]
    assert all({"time", "event"} <= line.keys() for line in lines_logged)
    exchanges = [line for line in lines_logged if line["event"] == "exchange"]
    assert [(line["outcome"], line["status"]) for line in exchanges] == [
        ("ok", 200),
        ("ok", 200),
        ("upstream_error", 429),
        ("client_error", 404),
    ]
    plain, streamed, limited, _ = exchanges
    assert (plain["channel"], plain["target_model"]) == ("anthropic", "claude-sonnet-5-5")
    assert (plain["tokens_in"], plain["tokens_out"]) == (11, 7)
    assert 0 < plain["first_event_ms"] <= plain["total_ms"]
    assert plain["request_id"].startswith("req_")
    assert streamed["stream"] is True
    assert "429" in limited["error"]
    assert not any(KEY in line or TOKEN in line for line in running.stderr.lines)


# ------------------------------------------------------------------------------------------------ stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_stream_finishes_while_nobody_new_is_let_in(
    simulated: Simulated, tmp_path: Path, number: int
) -> None:
    with (
        serving(simulated, tmp_path) as (running, url),
        idle_connection(url) as idle,
        asked(url, "Hi [sim: chunks=40 gap_ms=25]") as lines,
    ):
        next(lines)
        running.signal(number)
        assert idle.recv(1) == b""
        assert refused(url)
        assert list(lines)[-1] == "data: [DONE]"
        assert running.exit_status() == 0


def test_a_second_signal_cancels_what_still_runs(simulated: Simulated, tmp_path: Path) -> None:
    with serving(simulated, tmp_path) as (running, url), idle_connection(url) as idle, asked(url, ENDLESS) as lines:
        next(lines)
        running.signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        running.signal(signal.SIGTERM)
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)  # it does not look finished
        assert running.exit_status() == 128 + signal.SIGTERM
    (line,) = running.stderr.wait_for('"event":"exchange".*')
    assert '"outcome":"cancelled"' in line[0]


def test_what_outlasts_the_drain_is_cancelled(simulated: Simulated, tmp_path: Path) -> None:
    with serving(simulated, tmp_path, server={"drain_s": 0.2}) as (running, url), asked(url, ENDLESS) as lines:
        next(lines)
        running.signal(signal.SIGTERM)
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
        assert running.exit_status() == 0
    running.stderr.wait_for("they were cancelled")


# -------------------------------------------------------------------------------------- several, and others


def test_two_workers_share_a_port_and_a_token_and_stop_together(simulated: Simulated) -> None:
    bind = ("--bind", f"127.0.0.1:{free_port()}")
    with start(*MODULE, "serve", *bind, "--workers", "2", **keys(simulated)) as running:
        first, second = running.stderr.wait_for(r"serving on (http://[\d.:]+)", count=2)
        url = first[1]
        assert url == second[1]
        token = running.stdout.wait_for(r"made for this run: (\S+)")[0][1]
        for _ in range(10):  # each on a connection of its own, which the kernel gives to either
            assert content(chat(url, "gpt-5-mini", token=token))
        running.signal(signal.SIGTERM)
        assert running.exit_status() == 0  # and both have let go of the pipes
        assert refused(url)
    assert sum(token in line for line in (*running.stdout.lines, *running.stderr.lines)) == 1


def test_hypercorn_serves_the_same_app(simulated: Simulated, tmp_path: Path) -> None:
    config = write_config(tmp_path / "gateway.toml", simulated)
    hypercorn = str(Path(sys.executable).with_name("hypercorn"))
    command = (hypercorn, "-k", "trio", "-b", "127.0.0.1:0", "trio_gateway.app:from_env()")
    with start(*command, TRIO_GATEWAY_CONFIG=str(config)) as running:
        url = running.stderr.wait_for(r"Running on (http://[\d.]+:\d+)")[0][1]
        for model in MODELS.values():
            assert content(chat(url, model)) == 'You said: "Hello".'
        with asked(url, "Hi") as lines:
            assert list(lines)[-1] == "data: [DONE]"
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
