"""Real processes for the end-to-end tests: watched by what they print, and stopped by their pid.

The fixtures are one simulator and one gateway in front of it for each test module; `start` is for tests that want a
process of their own. Nothing here sleeps: a line, an exit status or the end of a pipe is what is waited for.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import msgspec
import pytest

TOKEN = "tg-e2e-0123456789"
KEY = "sk-e2e-upstream-0123456789"
MODELS = {
    "openai": "gpt-5-mini",
    "anthropic": "claude-sonnet-5-5",
    "ollama": "qwen3:8b",
    "gemini": "gemini-3-pro",
}
EMBEDDING_MODELS = {
    "openai": "text-embedding-3-small",
    "ollama": "nomic-embed-text",
    "gemini": "gemini-embedding-001",
}

PATIENCE_S = 30.0
"""How long a test waits for what must come before it fails."""

MODULE = (sys.executable, "-m", "trio_gateway")
_SERVING = r"serving on (http://[\d.]+:\d+)"
_INHERITED = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


class Output:
    """The lines of a pipe. A thread reads them, so that no process ever waits for the test to read."""

    def __init__(self, pipe: IO[str]) -> None:
        self._lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                with self._news:
                    self._lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def lines(self) -> list[str]:
        with self._news:
            return list(self._lines)

    def wait_for(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        """Return the first `count` lines that `pattern` is found in, once they are there."""
        found: list[re.Match[str]] = []

        def there() -> bool:
            found[:] = [match for line in self._lines if (match := re.search(pattern, line))]
            return len(found) >= count or self._ended

        with self._news:
            self._news.wait_for(there, PATIENCE_S)
            assert len(found) >= count, f"{pattern!r} was not printed {count} times: {self._lines}"
        return found[:count]

    def wait_ended(self) -> list[str]:
        """Return all lines, once every process that could have written one is gone."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"the pipe is still open: {self.lines}"
        return self.lines


def _hears_interrupts() -> None:
    """A shell has what it starts in the background ignore SIGINT, and so do their children: not those of tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Running:
    """A process, in a group of its own that goes with it."""

    def __init__(self, argv: Sequence[str], env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=_hears_interrupts,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout = Output(self._process.stdout)
        self.stderr = Output(self._process.stderr)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def exit_status(self) -> int:
        """Return the status, once the process and all it started have ended."""
        status = self._process.wait(PATIENCE_S)
        self.stdout.wait_ended()
        self.stderr.wait_ended()
        return status

    def stop(self) -> None:
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(PATIENCE_S)
                raise
        self.stdout.wait_ended()
        self.stderr.wait_ended()

    def serving_on(self) -> str:
        """Return the URL that a gateway says it serves on."""
        return self.stderr.wait_for(_SERVING)[0][1]


def environment(**given: str) -> dict[str, str]:
    """Return an environment in which nothing configures a gateway except what is given."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Where no Ollama can be, unless the test says otherwise.
    return {**inherited, "OLLAMA_HOST": "127.0.0.1:1", **given}


@contextmanager
def start(*argv: str, **given: str) -> Iterator[Running]:
    """Run a command with the variables that are given; it is stopped at the end."""
    running = Running(argv, environment(**given))
    try:
        yield running
    finally:
        running.stop()


def run(*argv: str, **given: str) -> tuple[int, str, str]:
    """Run a command to its end; return its exit status, stdout and stderr."""
    with start(*argv, **given) as running:
        status = running.exit_status()
        return status, "\n".join(running.stdout.lines), "\n".join(running.stderr.lines)


def free_port() -> int:
    """Return a port that was free just now: where port 0 will not do."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Seen(msgspec.Struct, frozen=True):
    """A request, as the simulated provider saw it. `received_at` is in seconds of its own clock."""

    provider: str
    path: str
    headers: list[tuple[str, str]]
    body: str
    received_at: float


class Simulated:
    """The simulated providers, in a process of their own: all on one port."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def seen(self, text: str) -> list[Seen]:
        """Return the requests whose body holds `text`, oldest first."""
        reply = httpx.get(f"{self.origin}/_simulator/requests", trust_env=False)
        requests = msgspec.json.decode(reply.content, type=dict[str, list[Seen]])["requests"]
        return [request for request in requests if text in request.body]


class Served:
    """A gateway, in a process of its own."""

    def __init__(self, process: Running, url: str) -> None:
        self.process = process
        self.url = url


def write_config(path: Path, simulated: Simulated, **tables: Any) -> Path:
    """Write a file with a channel for each provider, and one whose provider is given no time."""
    document: dict[str, dict[str, Any]] = {
        "server": {"bind": "127.0.0.1:0", "drain_s": 20, **tables.pop("server", {})},
        "auth": {"tokens": [TOKEN]},
        # The tests ask for one failure after the other: none is to make a target rest.
        "breaker": {"failures": 10_000, "requests_min": 1_000_000},
        **tables,
    }
    for provider, model in MODELS.items():
        document[f"channels.{provider}"] = {
            "provider": provider,
            "base_url": simulated.origin + ("/v1" if provider == "openai" else ""),
            "api_key": KEY,
            "models": [model, *([EMBEDDING_MODELS[provider]] if provider in EMBEDDING_MODELS else [])],
        }
    document["channels.hasty"] = {
        **document["channels.openai"],
        "models": ["hasty"],
        "timeouts": {"first_event_s": 0.1},
    }
    lines = [
        f"[{name}]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in table.items())
        for name, table in document.items()
    ]
    path.write_text("\n".join(lines))
    return path


def _toml(value: Any) -> str:
    """JSON's scalars and lists are TOML's too; its objects are not."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return msgspec.json.encode(value).decode()


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    with start(*MODULE, "simulate", "--bind", "127.0.0.1:0") as running:
        yield Simulated(running.stdout.wait_for(r"openai: (http://\S+)")[0][1])


@pytest.fixture(scope="module")
def served(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    config = write_config(tmp_path_factory.mktemp("served") / "gateway.toml", simulated)
    with start(*MODULE, "serve", "--config", str(config)) as running:
        yield Served(running, running.serving_on())


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> str:
    """A word that only this test says, to know its requests by: in a body, a header or a log line."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
