"""`trio-gateway route`, beside a gateway that runs and without one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_gateway.cli import main

Houses = Callable[..., AbstractAsyncContextManager[Any]]

FILE = """
[auth]
tokens = ["tg-test-token"]
[channels.openai]
provider = "openai"
api_key = "sk-not-to-be-shown"
[channels.ollama]
provider = "ollama"
models = ["llama-*"]
[[routes]]
model = "fast-*"
targets = [
  { channel = "openai", model = "gpt-*", weight = 3 },
  { channel = "ollama", model = "llama-test", max_concurrency = 4 },
]
fallback = ["last"]
hedge = { after_s = "p95" }
sticky = "user"
[[routes]]
model = "last"
targets = [{ channel = "ollama", model = "tiny" }]
retry = { attempts = 1 }
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["route", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "gateway.toml"
    path.write_text(FILE)
    return str(path)


def test_a_plan_is_shown_in_its_order(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", file, "fast-test") == 0
    assert capsys.readouterr().out.splitlines() == [
        "fast-test: route (pattern fast-*), 4 attempts at most",
        "first: 3 attempts, Weighted, by user where there is one",
        "  1. openai/gpt-test, weight 3 of 4",
        "  2. ollama/llama-test, weight 1 of 4, Places 0 of 4 taken, 0 of 100 waiting",
        "then, when those have failed: 1 attempt",
        "  3. ollama/tiny",
        "hedge: without a first event after p95 the next is started beside it, 1 at most, for 5% of the requests",
    ]


def test_a_model_without_a_route_says_so(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", file, "llama-3") == 0
    out = capsys.readouterr().out
    assert "no route" in out
    assert "openai/llama-3" in out


def test_a_model_nobody_serves_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[channels.a]\nprovider = "ollama"\nmodels = ["x"]\n')
    assert run("--config", str(path), "y") == 1
    assert "No channel serves the model" in capsys.readouterr().err


def test_a_gateway_that_is_not_there_is_told(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", file, "fast-test", "--url", "http://127.0.0.1:1") == 2
    assert "does not answer" in capsys.readouterr().err


async def test_the_health_of_a_running_gateway_is_shown(
    house: Houses, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house(breaker={"failures": 1}) as running:
        await running.chat("gpt-test", "[sim: status=500]")
        await running.chat("llama-test", "Hi")
        url = f"http://127.0.0.1:{running.port}"
        arguments = ("--config", file, "fast-test", "--url", url)
        assert await trio.to_thread.run_sync(run, *arguments) == 0
        out = capsys.readouterr().out
        assert "openai/gpt-test, weight 3 of 4: open, 0 in flight, first" not in out
        assert "openai/gpt-test, weight 3 of 4: open, 0 in flight, left alone for" in out
        assert "closed, 0 in flight, first event in" in out
        assert "3. ollama/tiny: not asked yet" in out
        assert "sk-not-to-be-shown" not in out
        assert await trio.to_thread.run_sync(run, *arguments, "--token", "wrong") == 2
        assert "does not take it" in capsys.readouterr().err
