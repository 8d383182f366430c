"""What /proc tells of a process: its memory, its descriptors, and who is connected to it."""

from __future__ import annotations

import os
from pathlib import Path

_ESTABLISHED = ("01", "08")  # and CLOSE_WAIT, in /proc/net/tcp


def resident_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has just ended
    return 0


def descriptors_of(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def sockets_of(pid: int) -> set[int]:
    """The inodes of its listening TCP sockets."""
    held = _socket_inodes(pid)
    return {inode for _, _, state, inode in _tcp() if state == "0A" and inode in held}


def connections_of(port: int, pid: int) -> set[int]:
    """The ports of the clients that the process serves on `port`, or that nobody has accepted yet."""
    held = _socket_inodes(pid)
    return {
        remote
        for local, remote, state, inode in _tcp()
        if local == port and state in _ESTABLISHED and (inode in held or inode == 0)
    }


def _socket_inodes(pid: int) -> set[int]:
    held: set[int] = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(entry.path)
            except OSError:
                continue
            if target.startswith("socket:["):
                held.add(int(target[8:-1]))
    except OSError:
        pass
    return held


def _tcp() -> list[tuple[int, int, str, int]]:
    rows = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(fields[at].rpartition(":")[2], 16) for at in (1, 2))
        rows.append((local, remote, fields[3], int(fields[9])))
    return rows
