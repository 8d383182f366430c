"""The obvious gateway: Quart-Trio in front, `httpx.AsyncClient` behind. The baseline.

hypercorn -k trio 'obvious:app'       with UPSTREAM=http://host:port and TOKEN in the environment
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import httpx
from quart import Response, request  # noqa: TID251 (the obvious one; nothing here answers 204)
from quart_trio import QuartTrio

UPSTREAM = os.environ.get("UPSTREAM", "")
TOKEN = os.environ.get("TOKEN", "")

app = QuartTrio(__name__)
client = httpx.AsyncClient(base_url=UPSTREAM, timeout=600, limits=httpx.Limits(max_connections=1000))


@app.post("/v1/chat/completions")
async def chat() -> Response | tuple[Response, int]:
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return Response('{"error":{"message":"wrong token"}}', content_type="application/json"), 401
    asked = await request.get_json()
    headers = {"authorization": "Bearer k"}
    if not asked.get("stream"):
        answer = await client.post("/v1/chat/completions", json=asked, headers=headers)
        return Response(answer.content, status=answer.status_code, content_type="application/json")
    upstream = await client.send(
        client.build_request("POST", "/v1/chat/completions", json=asked, headers=headers), stream=True
    )

    async def relay() -> AsyncIterator[bytes]:
        async for chunk in upstream.aiter_raw():
            yield chunk
        await upstream.aclose()

    response = Response(relay(), status=upstream.status_code, content_type="text/event-stream")
    response.timeout = None
    return response
