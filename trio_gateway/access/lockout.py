"""Locking out an address that keeps guessing tokens. A pure state: times are given in."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque

import msgspec

from trio_gateway.config import AuthConfig

ADDRESSES_MAX = 10_000  # remembered at once; the one that failed longest ago is forgotten first


class _Failures(msgspec.Struct):
    times: deque[float]
    locked_until_s: float = 0.0


class Lockout:
    """`failures_max` failures within `failures_window_s` lock an address out for `lockout_s`.

    Loopback addresses and unix sockets are exempt. An IPv6 address counts by its /64 network, which one host
    can use whole.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._config = config
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def remaining_s(self, address: str | None, now_s: float) -> float:
        """Return for how long the address is locked out still; 0 where it is not."""
        if not self._failures or address is None:
            return 0.0
        failures = self._failures.get(_network(address))
        return max(0.0, failures.locked_until_s - now_s) if failures else 0.0

    def failed(self, address: str | None, now_s: float) -> None:
        """Count one failure of the address."""
        if address is None or (network := _network(address)) == _EXEMPT:
            return
        failures = self._failures.setdefault(network, _Failures(deque(maxlen=self._config.failures_max)))
        self._failures.move_to_end(network)
        failures.times.append(now_s)
        recent = now_s - failures.times[0] <= self._config.failures_window_s
        if len(failures.times) == self._config.failures_max and recent:
            failures.locked_until_s = now_s + self._config.lockout_s
            failures.times.clear()
        if len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)


_EXEMPT = ""


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address  # not an address: a test client's name
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return _EXEMPT if parsed.ipv4_mapped.is_loopback else str(parsed.ipv4_mapped)
        if not parsed.is_loopback:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
    return _EXEMPT if parsed.is_loopback else str(parsed)
