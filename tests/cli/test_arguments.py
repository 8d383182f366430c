from __future__ import annotations

import pytest

from trio_gateway.cli.arguments import EXAMPLES, parser

BENCH = ["bench", "--url", "http://127.0.0.1:1/v1", "--model", "m"]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {"command": None}),
        (["serve"], {"command": "serve", "config": None, "bind": None, "workers": None}),
        (["check", "--config", "g.toml"], {"command": "check", "config": "g.toml"}),
        (["simulate", "--provider", "openai", "--provider", "ollama"], {"provider": ["openai", "ollama"], "gap_ms": 0}),
        (["route", "--config", "g.toml", "fast"], {"command": "route", "model": "fast", "url": None}),
        (BENCH, {"command": "bench", "concurrency": 1, "seconds": 5, "against": None, "stream": False}),
        (["demo"], {"command": "demo", "once": False, "bind": "127.0.0.1:18789"}),
    ],
)
def test_what_is_not_said_has_its_default(words: list[str], options: dict[str, object]) -> None:
    read = vars(parser().parse_args(words))
    assert options.items() <= read.items()


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["check"],
        ["route", "fast"],
        ["bench", "--model", "m"],
        ["serve", "--workers", "two"],
        *([*BENCH, "--concurrency", number] for number in ("0", "-1", "1.5", "x", "1000001")),
        *([*BENCH, "--seconds", number] for number in ("-1", "nan", "inf", "x", "")),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_refused_with_the_status_for_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words)
    assert caught.value.code == 2
    assert "usage: trio-gateway" in capsys.readouterr().err


def test_every_example_is_one() -> None:
    for line in EXAMPLES.splitlines()[1:]:
        command, _, _ = line.strip().partition("   ")
        program, *words = command.split()
        assert program == "trio-gateway"
        assert parser().parse_args(words).command == words[0]
