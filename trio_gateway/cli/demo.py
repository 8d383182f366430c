"""`trio-gateway demo`: simulated providers, the gateway in front of them, and a first talk with each."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import trio

from trio_gateway.app import as_asgi, build_app
from trio_gateway.cli.serve import run
from trio_gateway.config import Config, validate
from trio_gateway.dialects.framing import SseDecoder
from trio_gateway.errors import GatewayError
from trio_gateway.replies import refuse
from trio_gateway.server.serve import Server
from trio_gateway.server.serve import serve as serve_app
from trio_gateway.simulator import Simulator, SimulatorConfig, serve_simulator
from trio_gateway.transport.upstream import Upstream, UpstreamResponse, UpstreamSettings

MODELS = {"openai": "gpt-demo", "anthropic": "claude-demo", "ollama": "llama-demo"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def demo(options: argparse.Namespace) -> int:
    """Show everything once, and stay up until Ctrl-C unless told not to. Raises ConfigError."""
    return run(_demo, options.bind, options.once)


async def _demo(bind: str, once: bool) -> int:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            simulator: Simulator = await nursery.start(
                serve_simulator, SimulatorConfig(providers=tuple(MODELS), ports=dict.fromkeys(MODELS, 0), gap_s=0.03)
            )
            token = os.environ.get("TRIO_GATEWAY_TOKEN") or "tg-demo-" + secrets.token_urlsafe(9)
            config = _config(simulator, bind, token)
            server: Server = await nursery.start(_serve, config)
            url = server.binds[0]
            print(f"The gateway is at {url}; behind it are simulated providers:")
            for provider, model in MODELS.items():
                print(f"  {model:12} {provider} at {simulator.origins[provider]}")
            failures = await _talk(url, token)
            _tell_how(url, token)
            if not once:
                print("\nUp until Ctrl-C.", flush=True)
                async for _ in signals:
                    break
        nursery.cancel_scope.cancel(reason="the demo is over")
    return 1 if failures else 0


async def _serve(config: Config, task_status: trio.TaskStatus[Server]) -> None:
    await serve_app(as_asgi(build_app(config)), config.server, refuse=refuse, task_status=task_status)


def _config(simulator: Simulator, bind: str, token: str) -> Config:
    channels: dict[str, dict[str, Any]] = {}
    for provider, model in MODELS.items():
        suffix = "/v1" if provider == "openai" else ""
        channels[provider] = {
            "provider": provider,
            "base_url": simulator.origins[provider] + suffix,
            "api_key": "simulated",
            "models": [model],
        }
    document = {
        "server": {"bind": bind, "drain_s": 1},
        "auth": {"tokens": [token]},
        "log": {"format": "off"},
        "channels": channels,
    }
    return validate(document, os.environ, "demo", Path.cwd())


async def _talk(url: str, token: str) -> int:
    """Send each provider a plain request, a streamed one and a tool call; return how many failed."""
    failures = 0
    gateway = Upstream(UpstreamSettings(base_url=url))
    try:
        for provider, model in MODELS.items():
            print(f"\n{provider}")
            for show in (_show_plain, _show_stream, _show_tool):
                try:
                    await show(gateway, token, model)
                except GatewayError as error:
                    failures += 1
                    print(f"  failed: {error.message}", file=sys.stderr)
    finally:
        await gateway.aclose()
    return failures


async def _ask(gateway: Upstream, token: str, request: dict[str, Any]) -> UpstreamResponse:
    headers = [
        (b"host", b"localhost"),
        (b"authorization", f"Bearer {token}".encode()),
        (b"content-type", b"application/json"),
    ]
    response = await gateway.open(b"POST", b"/v1/chat/completions", headers, json.dumps(request).encode())
    if response.status != 200:
        body = (await response.read(1_000_000)).decode(errors="replace")
        await response.aclose()
        raise GatewayError(f"status {response.status}: {body}")
    return response


async def _show_plain(gateway: Upstream, token: str, model: str) -> None:
    request = {"model": model, "messages": [{"role": "user", "content": "Say hello."}]}
    response = await _ask(gateway, token, request)
    try:
        answer = json.loads(await response.read(1_000_000))
    finally:
        await response.aclose()
    usage = answer.get("usage") or {}
    tokens = f"{usage.get('prompt_tokens')} tokens in, {usage.get('completion_tokens')} out"
    print(f"  plain:  {answer['choices'][0]['message']['content']}  ({tokens})", flush=True)


async def _show_stream(gateway: Upstream, token: str, model: str) -> None:
    """Print each piece as it comes."""
    request = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Count to ten."}]}
    response = await _ask(gateway, token, request)
    print("  stream: ", end="", flush=True)
    decoder = SseDecoder()
    try:
        while chunk := await response.receive_some():
            for data in decoder.feed(chunk):
                if data != b"[DONE]":
                    for choice in json.loads(data)["choices"]:
                        print(choice["delta"].get("content") or "", end="", flush=True)
    finally:
        await response.aclose()
        print()


async def _show_tool(gateway: Upstream, token: str, model: str) -> None:
    """Let the model call a tool, give it the result, and print what it makes of it."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Use the tool: what is the weather in Paris?"}]
    request = {"model": model, "messages": messages, "tools": [WEATHER]}
    message = await _message(gateway, token, request)
    call = message["tool_calls"][0]
    print(f"  tool:   {call['function']['name']}({call['function']['arguments']})", flush=True)
    messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees, a light wind"}]
    print(f"          → {(await _message(gateway, token, request))['content']}", flush=True)


async def _message(gateway: Upstream, token: str, request: dict[str, Any]) -> dict[str, Any]:
    response = await _ask(gateway, token, request)
    try:
        message: dict[str, Any] = json.loads(await response.read(1_000_000))["choices"][0]["message"]
    finally:
        await response.aclose()
    return message


def _tell_how(url: str, token: str) -> None:
    print(
        f"""
The token is {token}

With curl:
  curl {url}/v1/chat/completions -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
    -d '{{"model": "claude-demo", "messages": [{{"role": "user", "content": "Hello"}}]}}'

With the openai SDK:
  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key="{token}")
  answer = client.chat.completions.create(
      model="claude-demo", messages=[{{"role": "user", "content": "Hello"}}])
  print(answer.choices[0].message.content)""",
        flush=True,
    )
