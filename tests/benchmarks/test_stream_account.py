"""What the account of a stream's memory takes each line for."""

from __future__ import annotations

import pytest
from stream_account import kind_of

PACKAGES = "/venv/lib/python3.11/site-packages"


@pytest.mark.parametrize(
    ("place", "source", "kind"),
    [
        ("/src/trio_gateway/exchange.py", "answer = await self._open()", "coroutines that wait, with their frames"),
        (f"{PACKAGES}/trio/_util.py", "coro = async_fn(*args)", "coroutines that wait, with their frames"),
        (f"{PACKAGES}/trio/_core/_run.py", "self._scope = CancelScope()", "trio: cancel scopes and their status"),
        ("<attrs generated methods trio._core._run.CancelStatus>", "", "trio: cancel scopes and their status"),
        (f"{PACKAGES}/trio/_core/_io_epoll.py", "waiters = self._registered[fd]", "trio: waiting for two sockets"),
        (f"{PACKAGES}/trio/_core/_run.py", "context = copy_context()", "trio: tasks, nurseries, the rest"),
        ("/src/trio_gateway/transport/wire.py", "self._socket = socket.socket()", "transport"),
        ("/src/trio_gateway/gateway.py", "self.x = []", "exchange, its record, the rest of the gateway"),
        ("/lib/python3.11/socket.py", "sock = socket(0)", "Python's library"),
    ],
)
def test_a_line_is_counted_as_what_it_is_for(place: str, source: str, kind: str) -> None:
    assert kind_of(place, source) == kind
