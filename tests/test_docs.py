"""What the documents name is there: files, headings, tests, commands, keys; and their examples run."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from trio_gateway.cli.arguments import parser
from trio_gateway.config import AuthConfig, ChannelConfig, Config, FetchConfig, LogConfig, validate
from trio_gateway.routing_config import BreakerConfig, HedgeConfig, RetryConfig, RouteConfig, TargetConfig, Timeouts
from trio_gateway.server_config import ServerConfig

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "schemas/*.md", "changes/README.md") for path in ROOT.glob(pattern)
)
# Where a document about a package may begin a path: `routing/attempt.py` is one of trio_gateway.
ROOTS = ("", "trio_gateway", "tests", "tests/laws", "benchmarks")
# Not there, or not always: what the reader names, what a command makes.
ELSEWHERE = re.compile(r"NAME|SOMETHING|FILE|PATH|URL|MODEL|gateway\.toml|\.venv|/admin|/api/|/v1|latest\.json")

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def code_spans(text: str) -> Iterator[str]:
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def examples(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the headings as links name them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_documents() -> None:
    assert {path.name for path in DOCUMENTS} >= {"README.md", "CONTRIBUTING.md", "laws.md", "configuration.md"}


@every_document
def test_links_within_the_tree_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), target
        assert not heading or heading in anchors(linked), target


@every_document
def test_files_that_are_named_are_there(path: Path) -> None:
    for span in code_spans(path.read_text()):
        for word in re.findall(r"[\w./*-]*\w\.(?:py|md|toml|mjs|txt)\b", span):
            if ELSEWHERE.search(word):
                continue
            found = any(list((ROOT / root).glob(word)) for root in (*ROOTS, path.parent.relative_to(ROOT)))
            assert found or ("/" not in word and list((ROOT / "trio_gateway").rglob(word))), word


@every_document
def test_folders_that_are_named_are_there(path: Path) -> None:
    for word in code_spans(path.read_text()):
        if re.fullmatch(r"(?:\w+/)+", word):
            assert any((ROOT / root / word).is_dir() for root in ROOTS), word


def test_the_rooms_of_the_house_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    (rooms,) = re.findall(r"^## Rooms$.*?^```\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    named = {name for line in rooms.splitlines() for name in re.findall(r"[\w/]+(?:\.py|/)(?=\s)", line[:26])}
    for name in named:
        assert (ROOT / "trio_gateway" / name).exists(), name
    packages = {path.parent.name for path in (ROOT / "trio_gateway").glob("*/__init__.py")}
    assert {name.rstrip("/") for name in named} >= packages


@every_document
def test_tests_that_are_named_are_there(path: Path) -> None:
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text())
    }
    for name in code_spans(path.read_text()):
        if re.fullmatch(r"test_\w+", name):
            assert name in there


def test_each_law_names_all_its_tests() -> None:
    text = (ROOT / "docs" / "laws.md").read_text()
    for file in (ROOT / "tests" / "laws").glob("test_*.py"):
        for name in re.findall(r"def (test_r\d\d_\w+)\(", file.read_text()):
            assert f"`{name}`" in text, f"{name} of {file.name}"


@every_document
def test_targets_of_make_that_are_named_are_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = re.findall(r"(?:`|\$ |    )make (?:-\w+ )?([a-z][a-z-]*)", path.read_text())
    assert set(named) <= targets


@every_document
def test_commands_that_are_named_are_there(path: Path) -> None:
    usage = parser().format_help()
    for command in re.findall(r"trio-gateway ([a-z]+)\b", path.read_text()):
        assert re.search(rf"[{{,\s]{command}[,}}\s]", usage), command


TABLES = {
    ("configuration.md", "`[server]`"): ServerConfig,
    ("configuration.md", "`[auth]`"): AuthConfig,
    ("configuration.md", "`[timeouts]`"): Timeouts,
    ("configuration.md", "`[log]`"): LogConfig,
    ("configuration.md", "`[fetch]`"): FetchConfig,
    ("configuration.md", "`[channels.NAME]`"): ChannelConfig,
    ("routing.md", "`[[routes]]`"): RouteConfig,
    ("routing.md", "A target"): TargetConfig,
    ("routing.md", "`retry`"): RetryConfig,
    ("routing.md", "`hedge`"): HedgeConfig,
    ("routing.md", "`[breaker]`"): BreakerConfig,
}


@pytest.mark.parametrize(("name", "heading"), TABLES)
def test_every_key_of_a_table_is_told_and_no_other_with_its_default(name: str, heading: str) -> None:
    shape = TABLES[name, heading]
    text = (ROOT / "docs" / name).read_text()
    section = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", section, flags=re.MULTILINE)[0]
    told: dict[str, str] = {}
    for keys, default in re.findall(r"^\| (`[^|]+) \| ([^|]*)\|", section, flags=re.MULTILINE):
        names = re.findall(r"`(\w+)`", keys)
        values = re.findall(r"`([^`]+)`", default)
        told |= dict(zip(names, values if len(values) == len(names) else [""] * len(names), strict=True))
    if not told:  # a table of one key is a sentence
        told = dict(re.findall(r"^`(\w+)`: `([^`]+)`", section, flags=re.MULTILINE))
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    assert told.keys() == fields.keys()
    for key, written in told.items():
        field = fields[key]
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if isinstance(default, str | int | float) or (isinstance(default, list) and default):
            assert tomllib.loads(f"x = {written}")["x"] == default, key
        else:
            assert not written, key


def test_every_table_of_the_configuration_is_in_the_documents() -> None:
    fields = [field.type for field in msgspec.structs.fields(Config)]
    assert set(TABLES.values()) >= {shape for shape in fields if isinstance(shape, type) and shape is not bool}


@every_document
def test_configurations_that_are_shown_are_valid(path: Path) -> None:
    for example in examples(path, "toml"):
        environ = dict.fromkeys(re.findall(r"env:(\w+)", example), "a-secret")
        validate(tomllib.loads(example), environ, path.name, path.parent)


def test_the_librarys_example_runs_as_it_stands() -> None:
    (example,) = [code for code in examples(ROOT / "README.md", "python") if "translate_request" in code]
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    body, losses, stream = ran.stdout.splitlines()
    assert "claude-haiku-4-5" in body
    assert losses.startswith("[Loss(pointer='/seed', reason=")
    assert "error" in stream


def test_the_examples_of_the_structs_run_as_they_stand() -> None:
    (example,) = examples(ROOT / "schemas" / "README.md", "python")
    told = re.compile(r"^(\S.*)  # (.+)$", flags=re.MULTILINE)
    shown = told.sub(r"print(repr((\1)))", example)
    ran = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [value for _, value in told.findall(example)]
