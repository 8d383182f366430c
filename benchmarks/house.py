"""The servers of one run: the unit, two simulators, and gateways in front of them."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from loads import TOKEN, Ask
from processes import PYTHON, Server, free_port

UPSTREAM_CONNECTIONS = 12_000

# Model names say what happens: the first word whether the two sides speak alike, the second how a stream is written.
SAME = "same-apart"
TRANSLATED = "translated-apart"
SAME_TOGETHER = "same-together"
TRANSLATED_TOGETHER = "translated-together"

# Chosen so that the provider sends 50 events, the terminal one included.
SAME_STREAM = "hi there [sim: chunks=46]"
TRANSLATED_STREAM = "hi there [sim: chunks=44]"
STREAM_EVENTS = 50

CONFIG = """
[log]
format = "{log}"
[auth]
tokens = ["{token}"]
[channels.same-apart]
provider = "openai"
base_url = "http://127.0.0.1:{apart}/v1"
api_key = "k"
models = ["same-apart"]
connections_max = {connections}
[channels.same-together]
provider = "openai"
base_url = "http://127.0.0.1:{together}/v1"
api_key = "k"
models = ["same-together"]
connections_max = {connections}
[channels.translated-apart]
provider = "anthropic"
base_url = "http://127.0.0.1:{apart}"
api_key = "k"
models = ["translated-apart"]
connections_max = {connections}
[channels.translated-together]
provider = "anthropic"
base_url = "http://127.0.0.1:{together}"
api_key = "k"
models = ["translated-together"]
connections_max = {connections}
"""


def cores() -> tuple[set[int] | None, set[int] | None]:
    """Return where servers under measurement run, and where the load and the simulators do; None: anywhere."""
    available = sorted(os.sched_getaffinity(0))
    return ({available[-1]}, set(available[:-1])) if len(available) > 1 else (None, None)


class House:
    """Starts each server when it is asked for, and stops all of them at its end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.measured, self.others = cores()
        self._stack = ExitStack()
        self.unit = self._unit()
        self.apart = self._simulator("apart")
        self.together = self._simulator("together", "--coalesce")

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def gateway(self, *, log: str = "off", workers: int = 1) -> Server:
        """Start a gateway. With several workers it may use every core."""
        server = self.start_gateway(log=log, workers=workers)
        self._stack.enter_context(server)
        server.wait_ready(Ask(SAME).bytes())
        return server

    def start_gateway(self, *, log: str = "off", workers: int = 1) -> Server:
        """Start one that the caller stops, and do not wait for it."""
        port = free_port()
        options = [
            "--config",
            str(gateway_config(self, port, log)),
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            str(workers),
        ]
        return Server(
            [PYTHON, "-m", "trio_gateway", "serve", *options],
            port,
            log=self.directory / f"gateway-{port}.log",
            cores=self.measured if workers == 1 else None,
        )

    def adopt(self, server: Server) -> Server:
        return self._stack.enter_context(server)

    def _unit(self) -> Server:
        port = free_port()
        command = [PYTHON, str(Path(__file__).parent / "unit.py"), str(port)]
        server = self.adopt(Server(command, port, log=self.directory / "unit.log", cores=self.measured))
        server.wait_ready()
        return server

    def _simulator(self, name: str, *options: str) -> Server:
        port = free_port()
        command = [PYTHON, "-m", "trio_gateway", "simulate", "--bind", f"127.0.0.1:{port}", *options]
        server = self.adopt(Server(command, port, log=self.directory / f"{name}.log", cores=self.others))
        server.wait_ready()
        return server


def gateway_config(house: House, port: int, log: str = "off") -> Path:
    """Write the configuration of a gateway in front of the house's simulators; return its path."""
    config = house.directory / f"gateway-{port}.toml"
    text = CONFIG.format(
        log=log, token=TOKEN, apart=house.apart.port, together=house.together.port, connections=UPSTREAM_CONNECTIONS
    )
    config.write_text(text)
    return config
