"""How each peer is got and started. A program is a function of its port, the simulator's and a scratch directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import msgspec
from loads import TOKEN
from processes import PYTHON, free_port

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trio-gateway-peers"
INSTALL_S = 300


class Unavailable(Exception):
    """This peer cannot be had here. Says why."""


class Peer(msgspec.Struct):
    command: list[str]
    environ: dict[str, str] = {}
    headers: tuple[tuple[str, str], ...] = ()
    model: str | None = None
    path: str = "/v1/chat/completions"


Program = Callable[[int, int, Path], Peer]


def obvious(port: int, simulator: int, directory: Path) -> Peer:
    """Quart-Trio and httpx, as a first evening's work has them. Runs in our own environment."""
    config = directory / "obvious.toml"
    config.write_text("keep_alive_max_requests = 1000000000\n")
    options = ["-k", "trio", "--config", str(config), "--bind", f"127.0.0.1:{port}", "obvious:app"]
    return Peer(
        [PYTHON, "-m", "hypercorn", *options],
        {"UPSTREAM": f"http://127.0.0.1:{simulator}", "TOKEN": TOKEN, "PYTHONPATH": str(Path(__file__).parent)},
    )


_NGINX = """
worker_processes 1;
daemon off;
master_process off;
error_log stderr warn;
pid {directory}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  upstream simulator {{ server 127.0.0.1:{simulator}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://simulator;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


def nginx(port: int, simulator: int, directory: Path) -> Peer:
    """A plain reverse proxy: no tokens, no routes, no idea what it carries. The floor, not a rival."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or _unpacked_nginx()
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, port=port, simulator=simulator))
    return Peer([program, "-p", str(directory), "-c", str(config)])


def _unpacked_nginx() -> str:
    """Take Debian's package apart into the cache: nothing is installed, no service is started."""
    place = CACHE / "nginx"
    program = place / "usr/sbin/nginx"
    if not program.exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise Unavailable("nginx is not installed, and this is no Debian to take its package from")
        place.mkdir(parents=True, exist_ok=True)
        _install(["apt-get", "download", "nginx"], place)
        for package in place.glob("nginx_*.deb"):
            _install(["dpkg-deb", "-x", str(package), str(place)], place)
    return str(program)


def portkey(port: int, simulator: int, directory: Path) -> Peer:
    """Portkey's gateway, from npm."""
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    place = CACHE / "portkey"
    start = place / "node_modules/@portkey-ai/gateway/build/start-server.js"
    if not start.exists():
        place.mkdir(parents=True, exist_ok=True)
        _install(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(place), "@portkey-ai/gateway"], place)
    headers = (
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", f"http://127.0.0.1:{simulator}/v1"),
    )
    return Peer(["node", str(start), "--headless", f"--port={port}"], headers=headers)


def smg(port: int, simulator: int, directory: Path) -> Peer:
    """SGLang's model gateway, from PyPI, in front of one OpenAI-compatible backend."""
    python = _environment("smg")
    options = ["launch", "--backend", "openai", "--worker-urls", f"http://127.0.0.1:{simulator}"]
    options += [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--prometheus-port",
        str(free_port()),
        "--log-level",
        "error",
    ]
    # It serves the models that the backend lists, which are the simulator's own. Without --api-key it lets anyone in.
    return Peer([str(python.parent / "smg"), *options], {"OPENAI_API_KEY": "k"}, model="gpt-5-mini")


_TENSORZERO = """
[gateway]
bind_address = "127.0.0.1:{port}"
observability.enabled = false
[models."same-apart"]
routing = ["simulator"]
[models."same-apart".providers.simulator]
type = "openai"
model_name = "same-apart"
api_base = "http://127.0.0.1:{simulator}/v1/"
api_key_location = "none"
"""


def tensorzero(port: int, simulator: int, directory: Path) -> Peer:
    """TensorZero's gateway, from PyPI, without its database."""
    place = _environment("tensorzero").parent
    programs = sorted(place.glob("*gateway*"))
    if not programs:
        raise Unavailable("its package on PyPI holds the client, and not the gateway's program")
    config = directory / "tensorzero.toml"
    config.write_text(_TENSORZERO.format(port=port, simulator=simulator))
    return Peer(
        [str(programs[0]), "--config-file", str(config), "--log-format", "json"],
        model="tensorzero::model_name::same-apart",
        path="/openai/v1/chat/completions",
    )


def _environment(package: str) -> Path:
    """Return the Python of an environment that holds the package."""
    place = CACHE / package
    python = place / "bin/python"
    if not (place / ".installed").exists():
        venv.create(place, with_pip=True)
        _install([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package], place)
        (place / ".installed").touch()
    return python


def _install(command: list[str], place: Path) -> None:
    try:
        subprocess.run(command, cwd=place, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        told = (error.stderr or error.stdout or "").strip().splitlines() or ["no reason given"]
        raise Unavailable(f"{command[0]} failed: {told[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"installing took longer than {INSTALL_S} s") from error


PROGRAMS: dict[str, Program] = {
    "obvious": obvious,
    "nginx": nginx,
    "smg": smg,
    "tensorzero": tensorzero,
    "portkey": portkey,
}
