"""The command line. Each command is a module here; this one reads the arguments and turns errors into sentences."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from trio_gateway._version import __version__
from trio_gateway.errors import ConfigError

EXAMPLES = """examples:
  trio-gateway serve                                  channels from OPENAI_API_KEY, ANTHROPIC_API_KEY, a local Ollama
  trio-gateway serve --config gateway.toml --workers 2
  trio-gateway check --config gateway.toml            every problem on a line of its own; exit status 0 or 2
  trio-gateway demo                                   simulated providers, the gateway in front, and a first talk
  trio-gateway simulate --bind 127.0.0.1:9900 --chunks 50 --gap-ms 20
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, and exit: 0 for success, 1 for a failure while running, 2 for what the user can put right."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        raise SystemExit(2)
    try:
        status = _run(options)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(1) from None
    raise SystemExit(status)


def _run(options: argparse.Namespace) -> int:
    """Import the command when it is called, so that no command waits for what another needs."""
    match options.command:
        case "serve":
            from trio_gateway.cli.serve import serve

            return serve(options)
        case "check":
            from trio_gateway.cli.check import check

            return check(options)
        case "simulate":
            from trio_gateway.cli.simulate import simulate

            return simulate(options)
        case "route":
            from trio_gateway.cli.route import route

            return route(options)
        case "bench":
            from trio_gateway.cli.bench import bench

            return bench(options)
        case _:
            from trio_gateway.cli.demo import demo

            return demo(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trio-gateway",
        description="One endpoint for every model: speak the OpenAI API to it, and it routes by model name.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"trio-gateway {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    serve = _command(commands, "serve", "start the gateway", "trio-gateway serve --config gateway.toml")
    serve.add_argument("--config", metavar="FILE", help="a TOML file; without it, channels come from the environment")
    serve.add_argument("--bind", metavar="HOST:PORT", help="listen there (the file's server.bind, 127.0.0.1:18789)")
    serve.add_argument("--workers", metavar="N", type=int, help="worker processes, one a core (1)")

    check = _command(commands, "check", "validate a configuration", "trio-gateway check --config gateway.toml")
    check.add_argument("--config", metavar="FILE", required=True)

    simulate = _command(
        commands, "simulate", "start simulated providers alone", "trio-gateway simulate --provider openai --chunks 20"
    )
    simulate.add_argument("--bind", metavar="HOST:PORT", default="127.0.0.1:9900", help="(127.0.0.1:9900)")
    simulate.add_argument("--provider", action="append", metavar="NAME", help="only this one; may be repeated (all)")
    simulate.add_argument("--latency", metavar="SECONDS", type=_duration, default=0.0, help="before each answer (0)")
    simulate.add_argument("--chunks", metavar="N", type=_count, help="events in a streamed answer")
    simulate.add_argument("--gap-ms", metavar="X", type=_duration, default=0.0, help="between two events (0)")

    simulate.add_argument("--coalesce", action="store_true", help="a stream without gaps leaves in one write")

    route = _command(
        commands, "route", "show where a model's requests would go", "trio-gateway route --config gateway.toml fast"
    )
    route.add_argument("model", metavar="MODEL")
    route.add_argument("--config", metavar="FILE", required=True)
    route.add_argument("--url", help="of a running gateway, whose targets' health is shown")
    route.add_argument("--token", help="for it (TRIO_GATEWAY_TOKEN, or the file's first)")

    bench = _command(
        commands,
        "bench",
        "measure an endpoint, or two side by side",
        "trio-gateway bench --url http://127.0.0.1:18789/v1 --key TOKEN --model gpt-5-mini \\\n"
        "      --against https://api.openai.com/v1 --against-key sk-...",
    )
    bench.add_argument("--url", required=True, help="a base URL as OpenAI's SDK takes it, ending in /v1")
    bench.add_argument("--key", default="", help="its token; a literal, env:NAME or file:PATH")
    bench.add_argument("--model", required=True)
    bench.add_argument("--against", metavar="URL", help="a second endpoint, asked in turns with the first")
    bench.add_argument("--against-key", default="", metavar="KEY")
    bench.add_argument("--against-model", metavar="MODEL", help="(the same)")
    bench.add_argument("--concurrency", metavar="N", type=_count, default=1, help="requests at once (1)")
    bench.add_argument("--seconds", metavar="S", type=_duration, default=5.0, help="(5)")
    bench.add_argument("--requests", metavar="N", type=_count, default=1_000_000, help="at most, on each endpoint")
    bench.add_argument("--stream", action="store_true", help="ask for streams")
    bench.add_argument("--prompt", default="Say hello.", help="(Say hello.)")
    bench.add_argument("--json", action="store_true", help="print the figures as JSON")

    demo = _command(commands, "demo", "simulated providers and a gateway in front", "trio-gateway demo --once")
    demo.add_argument("--once", action="store_true", help="stop after showing, instead of staying up until Ctrl-C")
    demo.add_argument("--bind", metavar="HOST:PORT", default="127.0.0.1:18789", help="(127.0.0.1:18789)")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, purpose: str, example: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _duration(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400_000:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, not {text!r}")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)
