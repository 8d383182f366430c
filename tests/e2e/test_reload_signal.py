"""SIGHUP on a gateway that serves: a good file is taken, a bad one is not."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

FILE = """
[server]
bind = "127.0.0.1:0"
drain_s = 1
[auth]
tokens = ["tg-one"]
[log]
format = "json"
[channels.a]
provider = "ollama"
base_url = "http://127.0.0.1:1"
models = ["{model}"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(FILE.format(model="before"))
    return path


@pytest.fixture
def gateway(file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "trio_gateway", "serve", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)


def line_with(stderr: IO[str], wanted: str) -> str:
    """Read on until a line holds `wanted`; return it."""
    for line in stderr:
        if wanted in line:
            return line
    raise AssertionError(f"the gateway ended without saying {wanted!r}")


def models(port: int) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/v1/models", headers={"authorization": "Bearer tg-one"})
        return [entry["id"] for entry in json.loads(connection.getresponse().read())["data"]]
    finally:
        connection.close()


def test_a_good_file_is_taken_and_a_bad_one_is_not(file: Path, gateway: subprocess.Popen[str]) -> None:
    assert gateway.stderr is not None
    found = re.search(r"127\.0\.0\.1:(\d+)", line_with(gateway.stderr, "serving on"))
    assert found is not None
    port = int(found[1])
    assert models(port) == ["before"]
    file.write_text(FILE.format(model="after"))
    gateway.send_signal(signal.SIGHUP)
    line_with(gateway.stderr, "was reloaded: 1 channels")
    assert models(port) == ["after"]
    file.write_text("[channels.a]\nprovider = 'nobody'\n")
    gateway.send_signal(signal.SIGHUP)
    assert "channels.a.provider: must be one of" in line_with(gateway.stderr, "was not reloaded")
    assert models(port) == ["after"]
