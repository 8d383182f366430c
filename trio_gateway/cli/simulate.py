"""`trio-gateway simulate`: the simulated providers alone."""

from __future__ import annotations

import argparse

from trio_gateway.errors import ConfigError
from trio_gateway.simulator import PROVIDERS, Simulator, SimulatorConfig, run


def simulate(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises ConfigError."""
    host, _, port = options.bind.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError([f"--bind: must be HOST:PORT, not {options.bind!r}"])
    providers = tuple(options.provider or PROVIDERS)
    if unknown := [name for name in providers if name not in PROVIDERS]:
        raise ConfigError([f"--provider: {unknown[0]!r} is unknown; allowed are {', '.join(PROVIDERS)}"])
    config = SimulatorConfig(
        host=host.strip("[]"),
        port=int(port),
        providers=providers,
        latency_s=options.latency,
        chunks=options.chunks,
        gap_s=options.gap_ms / 1000,
        coalesce=options.coalesce,
    )
    try:
        run(config, _tell)
    except BaseExceptionGroup as group:
        _, failed = group.split(KeyboardInterrupt)
        if failed is None:
            print()
            return 0
        if (error := _only_os_error(failed)) is None:
            raise
        raise ConfigError([f"--bind: cannot listen on {options.bind}: {error.strerror or error}"]) from error
    return 0


def _only_os_error(error: BaseException) -> OSError | None:
    """Return the OSError that nurseries have wrapped on its way up, None for anything else."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, OSError) else None


def _tell(simulator: Simulator) -> None:
    for provider, origin in simulator.origins.items():
        print(f"{provider}: {origin}", flush=True)
