"""From the model name a client writes to a target: the channel, and the model's name there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from fnmatch import translate

import msgspec

from trio_gateway.config import ChannelConfig
from trio_gateway.errors import UnknownModel

_REMEMBERED_MAX = 4096  # names clients have asked for; beyond it the memory starts anew
_SUGGESTED_MAX = 12
_CLOSE_MAX = 3


class Target(msgspec.Struct, frozen=True):
    """A channel and the model's name there."""

    channel: str
    model: str


class RoutingTable:
    """The first channel with a matching pattern, in the configuration's order; `channel/model` names it outright."""

    def __init__(self, channels: Mapping[str, ChannelConfig]) -> None:
        self._channels = channels
        self._patterns = [
            (
                name,
                re.compile(
                    "|".join(translate(pattern) for pattern in (*channel.models, *map(_literal, channel.rename)))
                ),
            )
            for name, channel in channels.items()
        ]
        self._remembered: dict[str, Target] = {}

    def resolve(self, model: str) -> Target:
        """Return where `model` goes. Raises UnknownModel, which says which names would work."""
        target = self._remembered.get(model)
        if target is None:
            target = self._find(model)
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[model] = target
        return target

    def _find(self, model: str) -> Target:
        for name, pattern in self._patterns:
            if pattern.match(model):
                return self._target(name, model)
        name, slash, rest = model.partition("/")
        if slash and rest and name in self._channels:
            return self._target(name, rest)
        raise UnknownModel(f"No channel serves the model {_shown(model)}. {self._suggestion(model)}", pointer="/model")

    def _target(self, name: str, model: str) -> Target:
        return Target(name, self._channels[name].rename.get(model, model))

    def exact_names(self) -> dict[str, str]:
        """Return the model names that the configuration spells out, each with its channel."""
        names: dict[str, str] = {}
        for channel, config in self._channels.items():
            for model in (*config.models, *config.rename):
                if not is_pattern(model) and model not in names and self._find(model).channel == channel:
                    names[model] = channel
        return names

    def _suggestion(self, model: str) -> str:
        found = (name for config in self._channels.values() for name in (*config.models, *config.rename))
        names = list(dict.fromkeys(found))  # channels may have the same
        close = difflib.get_close_matches(model, names, n=_CLOSE_MAX)
        if close:
            return f"Did you mean {', '.join(close)}?"
        listed = names[:_SUGGESTED_MAX]
        channels = ", ".join(f"{name}/MODEL" for name in list(self._channels)[:_SUGGESTED_MAX])
        return f"Names that would work: {', '.join(listed)}; or {channels}."


def is_pattern(model: str) -> bool:
    return any(character in model for character in "*?[")


def _literal(name: str) -> str:
    """Return the pattern that matches `name` alone."""
    return re.sub(r"([*?[])", r"[\1]", name)


def _shown(model: str) -> str:
    return repr(model if len(model) <= 80 else model[:80] + "…")
