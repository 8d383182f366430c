import trio

from trio_gateway.bench.load import Endpoint, Load, run_load
from trio_gateway.simulator import SimulatorConfig, serve_simulator


async def test_two_endpoints_take_turns_and_every_answer_is_counted() -> None:
    async with trio.open_nursery() as nursery:
        simulator = await nursery.start(serve_simulator, SimulatorConfig(providers=("openai",)))
        endpoint = Endpoint(simulator.origins["openai"] + "/v1", "k", "gpt-test")
        load = Load(concurrency=3, duration_s=60, stream=True, requests_max=12, prompt="a b [sim: chunks=4]")
        measured = await run_load({"one": endpoint, "two": endpoint}, load)
        assert set(measured) == {"one", "two"}
        for figures in measured.values():
            assert figures.requests >= 12
            assert figures.failed == 0
            assert figures.events >= 4 * figures.requests
        nursery.cancel_scope.cancel()


async def test_errors_are_named_and_counted() -> None:
    async with trio.open_nursery() as nursery:
        simulator = await nursery.start(serve_simulator, SimulatorConfig(providers=("openai",)))
        good = simulator.origins["openai"] + "/v1"
        load = Load(duration_s=60, requests_max=2, prompt="[sim: status=500]")
        measured = await run_load({"bad": Endpoint(good, "k", "m")}, load)
        assert measured["bad"].errors == {"status 500": 2}
        nobody = await run_load({"nobody": Endpoint("http://127.0.0.1:1/v1", "k", "m")}, load)
        assert nobody["nobody"].errors == {"UpstreamUnreachable": 2}
        nursery.cancel_scope.cancel()
