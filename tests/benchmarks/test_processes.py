"""What /proc tells of this very process, and of one that it starts."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import processes
import pytest
from processes import NotReady, Server, free_port, pinned, raise_descriptors

GONE = 2**22 + 1  # more than any process id


LIMITS = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from processes import raise_descriptors
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
print(raise_descriptors(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_limit_of_descriptors_is_raised_as_far_as_it_may_be() -> None:
    # In a process of its own: a limit that was raised does not go back for the other tests.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = [sys.executable, "-c", LIMITS, str(Path(processes.__file__).parent)]
    raised, soft, _ = map(int, subprocess.run(command, check=True, capture_output=True).stdout.split())
    assert raised == soft
    assert soft == processes.DESCRIPTORS or soft == hard < processes.DESCRIPTORS


def test_where_no_limit_can_be_set_the_one_there_is_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[int, int]] = []

    def refuse(_: int, limits: tuple[int, int]) -> None:
        tried.append(limits)
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert raise_descriptors() == 1024
    assert tried == [(65_536, 65_536), (4096, 4096)]


def test_a_process_that_has_ended_has_used_and_holds_nothing() -> None:
    assert processes._cpu_s(GONE) == 0
    assert processes._memory_bytes(GONE) == 0


def test_memory_is_read_in_bytes() -> None:
    assert 1_000_000 < processes._memory_bytes(os.getpid()) < 100_000_000_000


def test_cpu_is_of_the_process_whatever_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = "7 (a ) b (c) S 1 " + " ".join(["0"] * 9) + " 250 50 9 9"
    monkeypatch.setattr(Path, "read_text", lambda _: stat)
    assert processes._cpu_s(7) == pytest.approx(300 / os.sysconf("SC_CLK_TCK"))


def test_a_free_port_is_one_that_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        assert listener.getsockname()[1] > 0


def test_what_is_pinned_is_free_again_afterwards() -> None:
    before = os.sched_getaffinity(0)
    one = {min(before)}
    with pinned(one):
        assert os.sched_getaffinity(0) == one
    with pinned(None):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


ANSWERS = """
import http.server, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    protocol_version = "HTTP/1.1"
subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_is_started_watched_with_its_children_and_stopped(tmp_path: Path) -> None:
    port = free_port()
    with Server([sys.executable, "-c", ANSWERS, str(port)], port, log=tmp_path / "log") as server:
        assert server.wait_ready(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n") > 0
        (child,) = server.children()
        assert Path(f"/proc/{child}").exists()
        assert server.memory_bytes() > processes._memory_bytes(child) > 0
        assert server.cpu_s() > 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_server_that_does_not_come_up_says_what_it_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with Server(command, free_port(), log=tmp_path / "log") as server, pytest.raises(NotReady, match="no such option"):
        server.wait_ready()


STAYS = """
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()
"""


def test_a_server_that_ignores_the_request_to_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_S", 0.0)
    port = free_port()
    server = Server([sys.executable, "-c", STAYS, str(port)], port, log=tmp_path / "log")
    server.wait_ready()  # and by then it does not hear the signal
    server.stop()
    assert server._process.returncode == -signal.SIGKILL
