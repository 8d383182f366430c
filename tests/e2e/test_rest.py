"""What a gateway at rest keeps: nothing for longer than it says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio

from trio_gateway import gateway

Houses = Callable[..., AbstractAsyncContextManager[Any]]


async def test_idle_connections_to_a_provider_are_closed_though_nothing_more_is_asked(
    house: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_EXPIRE_EVERY_S", 0.02)
    async with house(channels={"openai": {"connection_idle_s": 0.05}}) as running:
        assert (await running.chat("gpt-test", "Hi")).status == 200
        with trio.fail_after(10):
            await running.simulator.observer.wait_closed()
        assert [record.how for record in running.simulator.observer.connections] == ["fin"]
