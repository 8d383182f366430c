"""The command line: what it prints and the status it exits with. Nothing a user can cause is a traceback."""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import KEY, MODULE, TOKEN, Simulated, free_port, run, start, write_config

COMMANDS = ("serve", "check", "simulate", "demo")
VALID = '[channels.a]\nprovider = "ollama"\n'

# what is in the file, the arguments after it, and how the sentence begins (FILE: the file's path)
MISTAKES = {
    "not TOML": ("[server\n", (), "FILE: is not TOML"),
    "unknown key": (VALID + "[server]\nbnd = 1\n", (), "FILE: server.bnd: is unknown; did you mean bind?"),
    "missing variable": (
        '[channels.a]\nprovider = "openai"\napi_key = "env:NOT_SET"\n',
        (),
        "FILE: channels.a.api_key: the environment variable NOT_SET is not set",
    ),
    "missing secret file": (
        '[channels.a]\nprovider = "openai"\napi_key = "file:absent"\n',
        (),
        "FILE: channels.a.api_key: the file ",
    ),
    "beyond this machine": (VALID, ("--bind", "0.0.0.0:0"), "FILE: server.bind: reaches beyond this machine"),
    "no channel": ("", (), "FILE: channels: is empty"),
    "bind of no form": (VALID, ("--bind", "nonsense"), "FILE: server.bind: must be host:port"),
    "no workers": (VALID, ("--workers", "0"), "FILE: server.workers: must be a whole number, at least 1"),
    "no certificate": (
        VALID + '[server]\nbind = "127.0.0.1:0"\ncertfile = "absent"\nkeyfile = "absent"\n',
        (),
        "server.certfile, server.keyfile: cannot be used",
    ),
}


def is_one_sentence(err: str) -> bool:
    return bool(err) and "\n" not in err and "Traceback" not in err


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_status_2(tmp_path: Path, mistake: str) -> None:
    text, arguments, sentence = MISTAKES[mistake]
    config = tmp_path / "gateway.toml"
    config.write_text(text)
    status, out, err = run(*MODULE, "serve", "--config", str(config), *arguments)
    assert (status, out) == (2, "")
    assert is_one_sentence(err), err
    assert err.startswith(sentence.replace("FILE", str(config)))


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for command in ("serve", "check"):
        status, out, err = run(*MODULE, command, "--config", str(tmp_path / "absent.toml"))
        assert (status, out) == (2, "")
        assert is_one_sentence(err)
        assert err.endswith("cannot be read: No such file or directory")


def test_nothing_to_serve_is_one_sentence_that_says_what_to_do() -> None:
    status, out, err = run(*MODULE, "serve")
    assert (status, out) == (2, "")
    assert is_one_sentence(err)
    assert "OPENAI_API_KEY" in err
    assert "--config" in err


@pytest.mark.parametrize("arguments", [("serve",), ("serve", "--workers", "2"), ("simulate",), ("demo", "--once")])
def test_a_port_that_is_taken_is_one_sentence(arguments: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        # No token is configured: none is to be made for a gateway that does not come to be.
        status, out, err = run(*MODULE, *arguments, "--bind", bind, OPENAI_API_KEY=KEY)
    assert (status, out) == (2, "")
    assert is_one_sentence(err), err
    assert f"cannot listen on {bind}" in err


def test_check_tells_every_problem_on_a_line_of_its_own_and_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        f"""
        [server]
        bind = 5
        [auth]
        tokens = ["{TOKEN} "]
        [timeouts]
        gap_s = -1
        [channels.a]
        provider = "opnai"
        api_key = "{KEY}"
        [channels.b]
        provider = "anthropic"
        base_url = "{KEY}"
        [channels.c]
        provider = "openai"
        api_key = "env:NOT_SET"
        """
    )
    status, out, err = run(*MODULE, "check", "--config", str(config))
    assert (status, out) == (2, "")
    assert [re.fullmatch(rf"{re.escape(str(config))}: ([\w.\[\]]+): .+", line)[1] for line in err.splitlines()] == [  # type: ignore[index]  # a line that does not match is the failure
        "server.bind",
        "timeouts.gap_s",
        "channels.a.provider",
        "channels.b.base_url",
        "channels.b.api_key",
        "channels.c.api_key",
    ]
    assert KEY not in err
    assert TOKEN not in err


def test_check_of_a_valid_file_says_what_is_in_it_and_no_secret(simulated: Simulated, tmp_path: Path) -> None:
    config = write_config(tmp_path / "gateway.toml", simulated)
    status, out, err = run(*MODULE, "check", "--config", str(config))
    assert (status, err) == (0, "")
    assert out == f"{config}: valid; 5 channels: openai, anthropic, ollama, gemini, hasty"


def test_the_version_and_the_help_are_on_stdout() -> None:
    script = str(Path(sys.executable).with_name("trio-gateway"))
    for command in ((script,), MODULE):
        status, out, err = run(*command, "--version")
        assert (status, err) == (0, "")
        assert re.fullmatch(r"trio-gateway \d+\.\d+\S*", out)
    status, out, err = run(*MODULE, "--help")
    assert (status, err) == (0, "")
    assert "examples:" in out
    assert all(f"    {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    status, out, err = run(*MODULE, command, "--help")
    assert (status, err) == (0, "")
    assert f"  trio-gateway {command}" in out.partition("example:")[2]


def test_the_demo_talks_to_every_provider_and_ends() -> None:
    status, out, err = run(*MODULE, "demo", "--once", "--bind", "127.0.0.1:0")
    assert (status, err) == (0, "")
    for provider in ("openai", "anthropic", "ollama"):
        talk = out.partition(f"\n\n{provider}\n")[2].partition("\n\n")[0]
        assert 'plain:  You said: "Say hello.".' in talk
        assert 'stream: You said: "Count to ten.".' in talk
        assert "get_weather(" in talk
        assert "18 degrees" in talk
    token = re.search(r"^The token is (\S+)$", out, re.MULTILINE)
    assert token is not None
    assert out.count(token[1]) == 3, "told, and in both examples"


def test_the_demo_stays_up_until_it_is_interrupted() -> None:
    with start(*MODULE, "demo", "--bind", f"127.0.0.1:{free_port()}") as running:
        running.stdout.wait_for("Up until Ctrl-C")
        running.signal(signal.SIGINT)
        assert running.exit_status() == 0
        assert running.stderr.lines == []


def test_simulate_tells_where_each_provider_is_and_ends_when_interrupted() -> None:
    with start(*MODULE, "simulate", "--provider", "openai", "--provider", "ollama", "--bind", "127.0.0.1:0") as running:
        running.stdout.wait_for(r"^openai: http://127\.0\.0\.1:\d+$")
        running.stdout.wait_for(r"^ollama: http://127\.0\.0\.1:\d+$")
        running.signal(signal.SIGINT)
        assert running.exit_status() == 0
        assert running.stderr.lines == []
