"""What bad clients cost the good ones: the time of plain requests alone, and beside each kind of misdeed.

    python benchmarks/bad_clients.py [--seconds 4] [--idle 10000] [--out FILE]

One worker in front of a simulator. The misdeeds are done by a process of its own, paced: this shows what they do to
the gateway, and not who gets the machine's cores. Prints a table and writes JSON. Linux.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import msgspec
from house import SAME, SAME_TOGETHER, House
from loads import TOKEN, Ask, connect, in_turns
from processes import pinned, raise_descriptors

PACE_S = 0.002
RESET = struct.pack("ii", 1, 0)
HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {TOKEN}\r\n".encode()
PER_SOURCE = 5_000


class Row(msgspec.Struct):
    misdeed: str
    ms: dict[str, float]
    times: float  # the p99, against the p99 alone


Misdeed = Callable[[int, int, Event, Event], None]


def slow_head(port: int, _: int, begun: Event, stop: Event) -> None:
    trickle(port, b"GET / HTTP/1.1\r\nx-slow: ", begun, stop)


def slow_body(port: int, _: int, begun: Event, stop: Event) -> None:
    trickle(port, HEAD + b"content-length: 10000000\r\n\r\n", begun, stop)


def trickle(port: int, start: bytes, begun: Event, stop: Event) -> None:
    clients = [connect(port) for _ in range(200)]
    for client in clients:
        client.sendall(start)
    begun.set()
    while not stop.is_set():
        for at, client in enumerate(clients):
            try:
                client.sendall(b"x")
            except OSError:
                client.close()
                clients[at] = connect(port)
                clients[at].sendall(start)
            pause()


def idle(port: int, count: int, begun: Event, stop: Event) -> None:
    clients = [connect(port, f"127.0.0.{1 + number // PER_SOURCE}") for number in range(count)]
    begun.set()
    stop.wait()
    for client in clients:
        client.close()


def stalled(port: int, _: int, begun: Event, stop: Event) -> None:
    clients = []
    for _ in range(20):
        client = connect(port)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(Ask(SAME_TOGETHER, True, "hi [sim: chunks=40000]").bytes())
        clients.append(client)
    # By now each has what its socket holds; what is measured is that they hold on to it.
    time.sleep(8)  # noqa: TID251 (no event loop here)
    begun.set()
    stop.wait()


def resets(port: int, _: int, begun: Event, stop: Event) -> None:
    chance = random.Random(1)
    request = Ask(SAME, True, "hi [sim: chunks=100 gap_ms=1]").bytes()
    begun.set()
    while not stop.is_set():
        client = connect(port)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.sendall(request[: chance.randrange(len(request) + 1)])
        pause()
        client.close()


def garbage(port: int, _: int, begun: Event, stop: Event) -> None:
    chance = random.Random(2)
    begun.set()
    while not stop.is_set():
        client = connect(port)
        client.sendall(chance.choice((b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01")) + chance.randbytes(500))
        pause()
        client.close()


def pause() -> None:
    time.sleep(PACE_S)  # noqa: TID251 (no event loop here)


MISDEEDS: dict[str, Misdeed] = {
    "200 slow heads": slow_head,
    "200 slow bodies": slow_body,
    "idle connections": idle,
    "20 stalled readers": stalled,
    "a flood of resets": resets,
    "garbage": garbage,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what bad clients cost the good ones.")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (%(default)s)")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "bad_clients.json")
    options = parser.parse_args()
    count = min(options.idle, raise_descriptors() - 500)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory, House(Path(directory)) as house, pinned(house.others):
        for name, misdeed in MISDEEDS.items():
            port = house.gateway().port
            in_turns([(port, Ask(SAME))], 1)
            alone = in_turns([(port, Ask(SAME))], options.seconds)[0].whole_ms
            beside = measure_beside(misdeed, port, count, options.seconds)
            name = f"{count:,} {name}" if misdeed is idle else name
            rows.append(Row("none, before " + name, alone, 1.0))
            rows.append(Row(name, beside, beside["p99"] / alone["p99"]))
            print(f"{name}: p99 {alone['p99']:.2f} → {beside['p99']:.2f} ms", file=sys.stderr)
    print("| beside | p50 ms | p99 ms | p99 against alone |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.misdeed} | {row.ms['p50']:.2f} | {row.ms['p99']:.2f} | {row.times:.2f}× |")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    return 0


def measure_beside(misdeed: Misdeed, port: int, count: int, seconds: float) -> dict[str, float]:
    begun, stop = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=misdeed, args=(port, count, begun, stop))
    process.start()
    begun.wait()
    try:
        return in_turns([(port, Ask(SAME))], seconds)[0].whole_ms
    finally:
        stop.set()
        process.join(20)


if __name__ == "__main__":
    sys.exit(main())
