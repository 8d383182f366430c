"""The arguments of the commands."""

from __future__ import annotations

import argparse

from trio_gateway._version import __version__

EXAMPLES = """examples:
  trio-gateway serve                                  a channel for each provider whose key is in the environment
  trio-gateway serve --config gateway.toml --workers 2
  trio-gateway check --config gateway.toml            every problem on a line of its own; exit status 0 or 2
  trio-gateway demo                                   simulated providers, the gateway in front, and a first talk
  trio-gateway simulate --bind 127.0.0.1:9900 --chunks 50 --gap-ms 20
"""

Commands = argparse._SubParsersAction  # argparse has no public name for it


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line. `command` is None where there is none."""
    root = argparse.ArgumentParser(
        prog="trio-gateway",
        description="One endpoint for every model: speak the OpenAI API to it, and it routes by model name.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"trio-gateway {__version__}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND")
    for add in (_serve, _check, _simulate, _route, _bench, _demo):
        add(commands)
    return root


def _serve(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "serve", "start the gateway", "trio-gateway serve --config gateway.toml")
    command.add_argument("--config", metavar="FILE", help="a TOML file; without it, channels come from the environment")
    command.add_argument("--bind", metavar="HOST:PORT", help="listen there (the file's server.bind, 127.0.0.1:18789)")
    command.add_argument("--workers", metavar="N", type=int, help="worker processes, one a core (1)")


def _check(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "check", "validate a configuration", "trio-gateway check --config gateway.toml")
    command.add_argument("--config", metavar="FILE", required=True)


def _simulate(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(
        commands, "simulate", "start simulated providers alone", "trio-gateway simulate --provider openai --chunks 20"
    )
    command.add_argument("--bind", metavar="HOST:PORT", default="127.0.0.1:9900", help="(127.0.0.1:9900)")
    command.add_argument("--provider", action="append", metavar="NAME", help="only this one; may be repeated (all)")
    command.add_argument("--latency", metavar="SECONDS", type=_duration, default=0.0, help="before each answer (0)")
    command.add_argument("--chunks", metavar="N", type=_count, help="events in a streamed answer")
    command.add_argument("--gap-ms", metavar="X", type=_duration, default=0.0, help="between two events (0)")
    command.add_argument("--coalesce", action="store_true", help="a stream without gaps leaves in one write")


def _route(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(
        commands, "route", "show where a model's requests would go", "trio-gateway route --config gateway.toml fast"
    )
    command.add_argument("model", metavar="MODEL")
    command.add_argument("--config", metavar="FILE", required=True)
    command.add_argument("--url", help="of a running gateway, whose targets' health is shown")
    command.add_argument("--token", help="for it (TRIO_GATEWAY_TOKEN, or the file's first)")


def _bench(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(
        commands,
        "bench",
        "measure an endpoint, or two side by side",
        "trio-gateway bench --url http://127.0.0.1:18789/v1 --key TOKEN --model gpt-5-mini \\\n"
        "      --against https://api.openai.com/v1 --against-key sk-...",
    )
    command.add_argument("--url", required=True, help="a base URL as OpenAI's SDK takes it, ending in /v1")
    command.add_argument("--key", default="", help="its token; a literal, env:NAME or file:PATH")
    command.add_argument("--model", required=True)
    command.add_argument("--against", metavar="URL", help="a second endpoint, asked in turns with the first")
    command.add_argument("--against-key", default="", metavar="KEY")
    command.add_argument("--against-model", metavar="MODEL", help="(the same)")
    command.add_argument("--concurrency", metavar="N", type=_count, default=1, help="requests at once (1)")
    command.add_argument("--seconds", metavar="S", type=_duration, default=5.0, help="(5)")
    command.add_argument("--requests", metavar="N", type=_count, default=1_000_000, help="at most, on each endpoint")
    command.add_argument("--stream", action="store_true", help="ask for streams")
    command.add_argument("--prompt", default="Say hello.", help="(Say hello.)")
    command.add_argument("--json", action="store_true", help="print the figures as JSON")


def _demo(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "demo", "simulated providers and a gateway in front", "trio-gateway demo --once")
    command.add_argument("--once", action="store_true", help="stop after showing, instead of staying up until Ctrl-C")
    command.add_argument("--bind", metavar="HOST:PORT", default="127.0.0.1:18789", help="(127.0.0.1:18789)")


def _command(
    commands: Commands[argparse.ArgumentParser], name: str, purpose: str, example: str
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
