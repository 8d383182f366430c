"""A worker for the tests: answers with its pid, or does what its arguments say. Run as a script."""

from __future__ import annotations

import os
import sys
from functools import partial

import trio

from trio_gateway.server.worker import run_worker
from trio_gateway.server_config import ServerConfig


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        if "hang at start" in sys.argv:
            await trio.sleep_forever()
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/crash":
        os._exit(7)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/hang":
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await trio.sleep_forever()
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})


def main() -> None:
    bind, workers = sys.argv[1:3]
    if "fail at start" in sys.argv or any(arg.startswith("file:") and os.path.exists(arg[5:]) for arg in sys.argv):
        sys.exit(3)
    config = ServerConfig(bind=bind, workers=int(workers), drain_s=30)
    sys.exit(trio.run(partial(run_worker, app, config)))


if __name__ == "__main__":
    main()
