from collections.abc import Awaitable, Callable

import pytest
import trio

from trio_gateway.simulator import Simulator, SimulatorConfig, serve_simulator

Start = Callable[..., Awaitable[Simulator]]


@pytest.fixture
async def start(nursery: trio.Nursery) -> Start:
    """Start a simulator with some settings; `created` times are fixed."""

    async def _start(**settings: object) -> Simulator:
        config = SimulatorConfig(**settings)  # type: ignore[arg-type]  # the settings are the test's to get right
        started = await nursery.start(
            lambda task_status: serve_simulator(config, clock=lambda: 1_800_000_000.0, task_status=task_status)
        )
        assert isinstance(started, Simulator)
        return started

    return _start


@pytest.fixture
async def simulator(start: Start) -> Simulator:
    return await start()
