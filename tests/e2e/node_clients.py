"""The official clients for Node, run by the drivers in `node/`.

A driver goes through all its scenarios once for each provider; the tests look at what came of them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.processes import Served, Simulated, run

HERE = Path(__file__).parent / "node"
INSTALL_S = 300

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="node or npm is not installed"
)


class Talk(msgspec.Struct, frozen=True):
    """What came of everything, by scenario; `mark` is what a driver's own requests are known by."""

    provider: str
    mark: str
    results: dict[str, Any]

    def __getitem__(self, scenario: str) -> Any:
        result = self.results[scenario]
        assert "thrown" not in result, result["thrown"]
        return result["value"]


def talk_by(driver: str, provider: str, *arguments: str) -> Talk:
    """Run a driver to its end; the mark is its last argument."""
    mark = f"node-{provider}"
    status, out, err = run("node", str(HERE / driver), *arguments, mark)
    assert status == 0, err
    return Talk(provider, mark, json.loads(out))


# What the clients call a provider's errors, by their status.
ERROR_KINDS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    429: "RateLimitError",
    500: "InternalServerError",
}
plain_and_streamed = pytest.mark.parametrize("how", ["", " streamed"], ids=["plain", "streamed"])
every_way_to_leave = pytest.mark.parametrize("how", ["timeout", "abort"])


def assert_the_image_arrived(talk: Talk, simulated: Simulated) -> None:
    """Byte for byte."""
    (request,) = simulated.seen(f"{talk.mark}-image")
    assert request.provider == talk.provider
    assert talk["image"] in request.body


def assert_cancelled(talk: Talk, served: Served, how: str) -> None:
    """The exchange of a client that left, in one of `every_way_to_leave`."""
    if how == "timeout":
        assert talk["timeout"]["kind"] == "APIConnectionTimeoutError"
    else:
        assert talk["abort"] == 3
    (line,) = served.process.stderr.wait_for(f'.*"{talk.mark}-{how}".*')
    assert json.loads(line[0])["outcome"] == "cancelled"


@pytest.fixture(scope="session")
def node_modules() -> None:
    """Install what the lock file pins, once for each state of it."""
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = HERE / "node_modules" / f".installed-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not stamp.exists():
        # With the environment as it is: the machine's way to the registry may be in it.
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        installed = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        assert installed.returncode == 0, installed.stderr
        stamp.touch()
