"""The command line. Each command is a module here; this one calls it and turns errors into sentences."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from trio_gateway.cli import arguments
from trio_gateway.errors import ConfigError


def main(words: Sequence[str] | None = None) -> None:
    """Run a command, and exit: 0 for success, 1 for a failure while running, 2 for what the user can put right."""
    parser = arguments.parser()
    options = parser.parse_args(words)
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
