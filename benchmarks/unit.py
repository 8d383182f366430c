"""The unit that CPU time is measured in: a bare trio and httptools responder.

python benchmarks/unit.py PORT
"""

from __future__ import annotations

import sys

import trio
from server_cost import respond


async def _respond(stream: trio.SocketStream) -> None:
    try:
        await respond(stream)
    except trio.BrokenResourceError:
        pass  # the load generator resets its connections when it is done


if __name__ == "__main__":
    trio.run(trio.serve_tcp, _respond, int(sys.argv[1]))
