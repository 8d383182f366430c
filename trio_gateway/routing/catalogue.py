"""The models that can be asked for: what the configuration spells out, and what the providers say they serve."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import trio

from trio_gateway.errors import GatewayError, UpstreamBroke
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.table import RoutingTable, is_pattern

logger = logging.getLogger("trio_gateway.routing")

FRESH_S = 60.0  # for which a provider's list is not asked for again
DISCOVER_S = 180.0  # between two times that a channel with `discover` is asked in the background
ASK_S = 5.0  # that a provider has to list its models
ROUTED = "trio-gateway"  # the owner of a name that a route serves
LIST_MAX_BYTES = 8 * 1024 * 1024


class _Named(msgspec.Struct):
    id: str | None = None  # OpenAI, Anthropic
    name: str | None = None  # Ollama, Gemini


class _ModelList(msgspec.Struct):
    data: list[_Named] = []
    models: list[_Named] = []


_decode = msgspec.json.Decoder(_ModelList).decode


class Catalogue:
    """Asks the channels whose `models` hold patterns. One that does not answer is left out, and the log says so."""

    def __init__(self, channels: Mapping[str, Channel], table: RoutingTable, routes: Sequence[str] = ()) -> None:
        """`routes` are the names that routes spell out, which no channel owns."""
        self._routes = routes
        self._channels = channels
        self._table = table
        self._told: dict[str, tuple[float, list[str]]] = {}

    async def keep_fresh(self) -> None:
        """Ask the channels that are to be discovered now and every DISCOVER_S, until cancelled."""
        while True:
            async with trio.open_nursery() as nursery:
                for name, channel in self._channels.items():
                    if channel.config.discover:
                        nursery.start_soon(self._ask, name, channel)
            await trio.sleep(DISCOVER_S)

    async def models(self) -> dict[str, str]:
        """Return model names, each with the channel that serves it. Blocks for ASK_S at most."""
        async with trio.open_nursery() as nursery:
            for name, channel in self._channels.items():
                asked_for = any(map(is_pattern, channel.config.models)) and not channel.config.discover
                if asked_for and not self._is_fresh(name):
                    nursery.start_soon(self._ask, name, channel)
        listed = dict.fromkeys(self._routes, ROUTED) | self._table.exact_names()
        for name in self._channels:
            for model in self._told.get(name, (0.0, []))[1]:
                if self._serves(name, model):
                    listed.setdefault(model, name)
        return listed

    def _is_fresh(self, name: str) -> bool:
        return name in self._told and trio.current_time() - self._told[name][0] < FRESH_S

    def _serves(self, name: str, model: str) -> bool:
        try:
            return self._table.resolve(model).channel == name
        except GatewayError:
            return False

    async def _ask(self, name: str, channel: Channel) -> None:
        # Where it does not answer, what it said last stands; it is asked again after a while.
        models = self._told.get(name, (0.0, []))[1]
        try:
            with trio.fail_after(ASK_S):
                models = sorted(await ask_models(channel))
        except (GatewayError, trio.TooSlowError) as error:
            reason = error.message if isinstance(error, GatewayError) else f"no answer within {ASK_S:g} s"
            logger.warning("The channel %s does not list its models: %s", name, reason)
        self._told[name] = (trio.current_time(), models)


async def ask_models(channel: Channel) -> set[str]:
    """Return the models that the channel's provider lists. Raises UpstreamError."""
    response = await channel.upstream.open(b"GET", channel.address.models.encode("ascii"), channel.headers, b"")
    try:
        body = await response.read(LIST_MAX_BYTES)
    finally:
        await response.aclose()
    if response.status != 200:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        raise channel.redacted(channel.dialect.decode_error(response.status, headers, body))
    try:
        listed = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamBroke("The provider's list of models cannot be read.") from error
    return set(_names([*listed.data, *listed.models]))


def _names(entries: Iterable[_Named]) -> Iterable[str]:
    for entry in entries:
        name = entry.id or entry.name
        if name:
            yield name.removeprefix("models/")
