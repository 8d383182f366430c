"""Simulated providers that speak the vendors' wire formats, for demos, tests and benchmarks.

    async with trio.open_nursery() as nursery:
        simulator = await nursery.start(serve_simulator, SimulatorConfig())
        client = openai.OpenAI(base_url=simulator.origins["openai"] + "/v1", api_key="any")

What is answered follows from the request; `directives` describes the grammar in which a request's text can ask for
delays, tool calls, errors and broken connections. `Simulator.observer` tells what the providers saw.
"""

from trio_gateway.simulator.config import PROVIDERS, SimulatorConfig
from trio_gateway.simulator.observer import ConnectionRecord, Observer, RequestRecord
from trio_gateway.simulator.script import Script, ToolCall
from trio_gateway.simulator.server import Simulator, run, serve_simulator

__all__ = [
    "PROVIDERS",
    "ConnectionRecord",
    "Observer",
    "RequestRecord",
    "Script",
    "Simulator",
    "SimulatorConfig",
    "ToolCall",
    "run",
    "serve_simulator",
]
