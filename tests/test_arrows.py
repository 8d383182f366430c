"""Dependencies between the packages point downwards only, and importing stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "trio_gateway"

# From the top down. A room may import rooms that stand lower, and itself; `server` and `app` wire the rest.
RANKS = {
    "cli": 9,
    "__main__": 9,
    "app": 8,
    "startup": 8,
    "exchange": 7,
    "reload": 7,
    "gateway": 6,
    "endpoints": 6,
    "body": 6,
    "replies": 6,
    "patience": 5,
    "listings": 6,
    "pages": 5,
    "server": 5,
    "routing": 5,
    "access": 5,
    "ledger": 4,
    "observe": 5,
    "simulator": 5,
    "bench": 5,
    "transport": 3,
    "translate": 3,
    "dialects": 2,
    "config": 1,
    "config_problems": 0,
    "routing_config": 0,
    "route_checks": 1,
    "server_config": 0,
    "request_ids": 0,
    "collector": 0,
    "secrets": 0,
    "errors": 0,
    "_version": 0,
}
# Rooms of one rank that may not see each other.
STRANGERS = {("server", "routing"), ("routing", "server"), ("server", "simulator"), ("simulator", "server")}
# What dialects, being pure, never import; and who alone may import httpx.
IMPURE = {"trio", "time", "os", "logging", "random", "httpx", "quart", "hypercorn", "anyio", "asyncio", "socket"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return "trio_gateway" if first == "__init__.py" else first.removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_room_has_its_rank_and_no_rank_is_left_over() -> None:
    assert {room_of(path) for path in modules()} == {*RANKS, "trio_gateway"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_lower(path: Path) -> None:
    room = room_of(path)
    if room == "trio_gateway":
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "trio_gateway" or len(parts) < 2 or parts[1] == room or parts[1] not in RANKS:
            continue
        assert RANKS[parts[1]] <= RANKS[room], f"{path} imports {name}, which stands higher"
        assert (room, parts[1]) not in STRANGERS, f"{path} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in modules() if room_of(p) == "dialects"], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_dialect_is_pure(path: Path) -> None:
    assert not IMPURE & {name.split(".")[0] for name in imports_of(path)}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_transport_knows_httpx(path: Path) -> None:
    if room_of(path) != "transport":
        assert "httpx" not in {name.split(".")[0] for name in imports_of(path)}


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").rglob("*.py")), ids=lambda path: path.name)
def test_the_schemas_import_nothing_but_msgspec(path: Path) -> None:
    allowed = {"msgspec", "gateway_schemas", *sys.stdlib_module_names}
    assert {name.split(".")[0] for name in imports_of(path)} <= allowed


@pytest.mark.parametrize("name", ["gateway_schemas", "trio_gateway"])
def test_importing_the_package_is_cheap(name: str) -> None:
    heavy = "{'quart', 'quart_trio', 'hypercorn', 'httpx', 'trio'}"
    code = f"import sys, {name}; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
