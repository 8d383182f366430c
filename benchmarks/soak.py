"""Run a gateway under everything at once, for long, and see that nothing is left behind or lost.

    python benchmarks/soak.py [--seconds 600] [--seed WORD] [--clients 48] [--out FILE]

First in this process, where tasks can be counted: simulated providers, the gateway and its clients on one event loop.
Then for real: a gateway of two workers in front of a simulator. Clients of every kind (soak_load.py) keep them busy;
three workers are killed and all are replaced (SIGHUP) in the first part, and memory is watched in the rest. Exits with
1, and says why, where anything leaks, grows, gets lost or is logged as an error. SOAK_SECONDS sets the seconds too.
Linux: looks into /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import msgspec
import trio
from loads import TOKEN
from processes import PYTHON, Server, free_port, raise_descriptors
from soak_load import MODELS, Loss, Tally, run_clients
from soak_watch import connections_of, descriptors_of, resident_bytes, sockets_of

from trio_gateway.app import as_asgi, build_app
from trio_gateway.config import load
from trio_gateway.server.serve import serve
from trio_gateway.simulator import SimulatorConfig, serve_simulator

WORKERS = 2
KILLS = 3
GROWTH_MAX = 0.05
INSIDE_SHARE = 0.1  # of the seconds, in this process
DISTURBED_SHARE = 0.25  # of the others: kills and the restart. What is left is undisturbed
WARM_SHARE = 0.4  # of what is left: until then memory may grow
WINDOW_SHARE = 0.2  # of what is left: how long the plateau, and the end, are looked at
SETTLE_S = 30.0
ROLL_S = 40.0
IDLE_S = 2.0

CONFIG = """
[server]
bind = "127.0.0.1:{port}"
drain_s = 15
write_stall_s = 1
[log]
format = "json"
[auth]
tokens = ["{token}"]
[timeouts]
first_event_s = 3
gap_s = 3
# The clients ask for one failure after the other: none is to make a target rest.
[breaker]
failures = 10000
requests_min = 1000000
"""
CHANNEL = """
[channels.{provider}]
provider = "{provider}"
base_url = "{origin}"
api_key = "k"
models = ["{provider}-soak"]
connection_idle_s = {idle_s}
"""


class Figures(msgspec.Struct):
    """What came of it. `failures` are sentences; empty is well."""

    seconds: float
    seed: str
    clients: int
    inside: Tally
    tally: Tally
    killed: int = 0
    excused: int = 0
    tasks_before: int = 0
    tasks_after: int = 0
    plateau_bytes: int = 0
    end_bytes: int = 0
    descriptors_before: int = 0
    descriptors_after: list[int] = []
    upstream_left: int = 0
    exchanges_logged: int = 0
    log_errors: int = 0
    failures: list[str] = []

    @property
    def growth(self) -> float:
        return self.end_bytes / self.plateau_bytes - 1 if self.plateau_bytes else 0.0


class Victim(msgspec.Struct):
    """A killed worker: the client ports that were connected to it, and until when they were its."""

    ports: set[int]
    killed_s: float

    def explains(self, loss: Loss) -> bool:
        return loss.port in self.ports and loss.opened_s <= self.killed_s


def main() -> int:
    parser = argparse.ArgumentParser(description="Soak the gateway.")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("SOAK_SECONDS", "600")), help="(600)")
    parser.add_argument("--seed", default="soak", help="what the clients' choices follow from (%(default)s)")
    parser.add_argument("--clients", type=int, default=48, help="at once (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "soak.json")
    options = parser.parse_args()
    raise_descriptors()
    figures = Figures(options.seconds, options.seed, options.clients, Tally(), Tally())
    with tempfile.TemporaryDirectory() as directory:
        trio.run(inside, figures, Path(directory))
        trio.run(outside, figures, Path(directory))
    print(table(figures))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    print(f"written: {options.out}", file=sys.stderr)
    for failure in figures.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if figures.failures else 0


def write_config(path: Path, origin: str, port: int) -> Path:
    text = CONFIG.format(port=port, token=TOKEN)
    for model in MODELS:
        provider = model.removesuffix("-soak")
        base_url = origin + ("/v1" if provider == "openai" else "")
        text += CHANNEL.format(provider=provider, origin=base_url, idle_s=IDLE_S)
    path.write_text(text)
    return path


async def inside(figures: Figures, directory: Path) -> None:
    """The gateway in this process: the tasks after are as many as before."""
    tell("in one process")
    shutdown, stop = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        simulator = await nursery.start(serve_simulator, SimulatorConfig())
        config = load(write_config(directory / "inside.toml", simulator.origins["openai"], free_port()), {})
        config = msgspec.structs.replace(config, log=msgspec.structs.replace(config.log, format="off"))
        app = build_app(config)

        async def serve_until_shutdown(task_status: trio.TaskStatus[object]) -> None:
            await serve(as_asgi(app), config.server, shutdown=shutdown, task_status=task_status)

        server = await nursery.start(serve_until_shutdown)
        port = int(server.binds[0].rpartition(":")[2])
        figures.tasks_before = trio.lowlevel.current_statistics().tasks_living
        with trio.move_on_after(max(5.0, figures.seconds * INSIDE_SHARE)):
            async with trio.open_nursery() as around:
                clients = 24
                around.start_soon(stop_later, stop, max(4.0, figures.seconds * INSIDE_SHARE - 1))
                await run_clients(port, clients=clients, seed=figures.seed, stop=stop, tally=figures.inside)
        settled = await settle(
            lambda: (
                simulator.observer.open_connections == 0
                and trio.lowlevel.current_statistics().tasks_living <= figures.tasks_before
            )
        )
        figures.tasks_after = trio.lowlevel.current_statistics().tasks_living
        if not settled:
            figures.failures.append(
                f"{figures.tasks_after} tasks live after the load, {figures.tasks_before} before it; "
                f"{simulator.observer.open_connections} connections to the providers are still open"
            )
        busy = {name: channel.upstream.in_use for name, channel in app.gateway.channels.items()}
        if any(busy.values()):
            figures.failures.append(f"places of upstreams are still taken: {busy}")
        shutdown.set()
        nursery.cancel_scope.deadline = trio.current_time() + 20
        while app.started:
            await trio.sleep(0.05)
        nursery.cancel_scope.cancel(reason="done")
    note_losses(figures, figures.inside.losses, "in one process")


async def stop_later(stop: trio.Event, seconds: float) -> None:
    await trio.sleep(seconds)
    stop.set()


async def settle(condition: Callable[[], bool]) -> bool:
    """Wait until it holds, for SETTLE_S at most."""
    with trio.move_on_after(SETTLE_S):
        while not condition():
            await trio.sleep(0.1)
    return condition()


async def outside(figures: Figures, directory: Path) -> None:
    """The gateway as it is run: a supervisor and its workers."""
    tell("with two workers")
    simulator_port, port = free_port(), free_port()
    origin = f"http://127.0.0.1:{simulator_port}"
    log = directory / "gateway.log"
    config = write_config(directory / "gateway.toml", origin, port)
    simulate = [PYTHON, "-m", "trio_gateway", "simulate", "--bind", f"127.0.0.1:{simulator_port}"]
    command = [PYTHON, "-m", "trio_gateway", "serve", "--config", str(config), "--workers", str(WORKERS)]
    with (
        Server(simulate, simulator_port, log=directory / "simulator.log") as simulator,
        Server(command, port, log=log) as gateway,
    ):
        simulator.wait_ready()
        gateway.wait_ready()
        await Outside(figures, gateway, port, origin).run()
        stopped_s = time.monotonic()
        gateway.stop()
        if time.monotonic() - stopped_s > 9:
            figures.failures.append("the gateway did not stop by itself")
    read_log(figures, log)


class Outside:
    def __init__(self, figures: Figures, gateway: Server, port: int, origin: str) -> None:
        self._figures = figures
        self._gateway = gateway
        self._port = port
        self._origin = origin
        self._chance = random.Random(figures.seed)
        self._victims: list[Victim] = []
        self._samples: list[tuple[float, int]] = []

    async def run(self) -> None:
        figures = self._figures
        await self._all_ready(set())
        await settle(lambda: all(not connections_of(self._port, pid) for pid in self._workers()))
        figures.descriptors_before = max(descriptors_of(pid) for pid in self._workers())
        seconds = figures.seconds * (1 - INSIDE_SHARE)
        stop = trio.Event()
        async with trio.open_nursery() as nursery:

            async def load_them() -> None:
                await run_clients(
                    self._port, clients=figures.clients, seed=figures.seed, stop=stop, tally=figures.tally
                )

            nursery.start_soon(load_them)
            await self._disturb(seconds * DISTURBED_SHARE)
            begun_s, left_s = time.monotonic(), seconds * (1 - DISTURBED_SHARE)
            while (now_s := time.monotonic() - begun_s) < left_s:
                self._samples.append((now_s / left_s, sum(map(resident_bytes, self._workers()))))
                await trio.sleep(0.25)
            stop.set()
        self._measure_growth()
        await self._check_leaks()
        self._check_losses()

    def _workers(self) -> list[int]:
        return self._gateway.children()

    async def _all_ready(self, before: set[int]) -> None:
        """Wait until there are as many workers as should be, none of those from before, and all of them listen."""

        def ready() -> bool:
            workers = self._workers()
            listening = [pid for pid in workers if sockets_of(pid)]
            return len(workers) == len(listening) == WORKERS and not before.intersection(workers)

        with trio.move_on_after(ROLL_S):
            while not ready():
                await trio.sleep(0.05)
        if not ready():
            self._figures.failures.append(f"the workers are {self._workers()}, and should be {WORKERS} new ones")

    async def _disturb(self, seconds: float) -> None:
        """Kill a worker some times, then replace all."""
        for _ in range(KILLS):
            await trio.sleep(seconds / (KILLS + 2))
            victim = self._chance.choice(self._workers())
            tell(f"kill {victim}")
            # Stopped first, so that it is known whose connections are lost with it.
            os.kill(victim, signal.SIGSTOP)
            await trio.sleep(0.02)
            ports = connections_of(self._port, victim)
            self._victims.append(Victim(ports, time.monotonic()))
            os.kill(victim, signal.SIGKILL)
            self._figures.killed += 1
            await self._all_ready({victim})
        await trio.sleep(seconds / (KILLS + 2))
        before = set(self._workers())
        tell("replace all workers")
        self._gateway.signal(signal.SIGHUP)
        await self._all_ready(before)

    def _measure_growth(self) -> None:
        figures = self._figures
        plateau = [size for at, size in self._samples if WARM_SHARE <= at < WARM_SHARE + WINDOW_SHARE]
        end = [size for at, size in self._samples if at >= 1 - WINDOW_SHARE]
        figures.plateau_bytes, figures.end_bytes = int(median(plateau)), int(median(end))
        if figures.growth > GROWTH_MAX:
            figures.failures.append(
                f"the workers' memory grew by {figures.growth:.1%} from its plateau; {GROWTH_MAX:.0%} is allowed"
            )

    async def _check_leaks(self) -> None:
        figures, workers = self._figures, self._workers()

        def open_upstream() -> int:
            return int(json.load(urlopen(f"{self._origin}/_simulator/connections"))["open"])  # noqa: S310 (our own)

        await settle(
            lambda: open_upstream() == 0 and all(descriptors_of(pid) <= figures.descriptors_before for pid in workers)
        )
        figures.upstream_left = open_upstream()
        figures.descriptors_after = [descriptors_of(pid) for pid in workers]
        if figures.upstream_left:
            figures.failures.append(f"{figures.upstream_left} connections to the providers are still open")
        if max(figures.descriptors_after) > figures.descriptors_before:
            figures.failures.append(
                f"workers hold {figures.descriptors_after} descriptors; it was {figures.descriptors_before} at first"
            )

    def _check_losses(self) -> None:
        losses = self._figures.tally.losses
        left = [loss for loss in losses if not any(victim.explains(loss) for victim in self._victims)]
        self._figures.excused = len(losses) - len(left)
        note_losses(self._figures, left, "with two workers")


def note_losses(figures: Figures, losses: list[Loss], where: str) -> None:
    if losses:
        examples = "".join(f"\n    {loss.what}" for loss in losses[:5])
        figures.failures.append(f"{len(losses)} exchanges were lost {where}:{examples}")


def read_log(figures: Figures, log: Path) -> None:
    """Count what was logged; errors other than those of killed workers are failures."""
    wrong: list[str] = []
    for line in log.read_text("utf-8", "replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            wrong.append(line)
            continue
        if entry["event"] == "exchange":
            figures.exchanges_logged += 1
            if entry["outcome"] == "gateway_error":
                wrong.append(line)
        elif (
            entry["level"] in ("error", "critical")
            and f"ended with status {128 + signal.SIGKILL}" not in entry["message"]
        ):
            wrong.append(line)
    figures.log_errors = len(wrong)
    if wrong:
        figures.failures.append(f"{len(wrong)} lines of the log are errors:\n    " + "\n    ".join(wrong[:5]))


def table(figures: Figures) -> str:
    tally = figures.tally
    rows = [
        ("exchanges and misdeeds", sum(tally.done.values()), dict(tally.done)),
        ("the same in one process", sum(figures.inside.done.values()), dict(figures.inside.done)),
        ("answers by status", sum(tally.statuses.values()), dict(sorted(tally.statuses.items()))),
        ("sent again on a new connection", tally.retried, ""),
        ("connections refused for a moment", tally.refused, ""),
        ("workers killed", figures.killed, f"{figures.excused} exchanges lost with them"),
        ("tasks before and after", f"{figures.tasks_before}, {figures.tasks_after}", ""),
        ("upstream connections left", figures.upstream_left, ""),
        ("descriptors before and after", f"{figures.descriptors_before}, {figures.descriptors_after}", ""),
        ("memory of the workers, MB", f"{figures.plateau_bytes / 1e6:.1f}, {figures.end_bytes / 1e6:.1f}",
         f"{figures.growth:+.1%}"),
        ("exchanges in the log", figures.exchanges_logged, f"{figures.log_errors} errors"),
    ]  # fmt: skip
    setting = f"seed {figures.seed!r}, {figures.clients} clients, Python {platform.python_version()}"
    lines = [f"Soak of {figures.seconds:g} s, {setting}", "", "| | | |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {value} | {note} |" for name, value, note in rows)])


def tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
