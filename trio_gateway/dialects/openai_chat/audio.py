"""Audio that a model speaks, which a stream of Chat tells in fragments: of the data, and of what is said.

The data's fragments are base64 each; OpenAI cuts it between groups of four characters, so that they join.
"""

from __future__ import annotations

import msgspec

from trio_gateway.dialects.wire import BAD_BODY

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

MAX_CHARACTERS = 64 * 2**20

_IN_FRAGMENTS = frozenset({"data", "transcript"})


class AudioGatherer:
    """Gathers the fragments of one audio, up to MAX_CHARACTERS."""

    __slots__ = ("_length", "_members", "_texts")

    def __init__(self) -> None:
        self._members: dict[str, msgspec.Raw] = {}
        self._texts: dict[str, list[str]] = {}
        self._length = 0

    def feed(self, fragment: msgspec.Raw) -> bool:
        """Take `delta.audio`; say whether it could be read, and kept."""
        self._length += len(bytes(fragment))
        if self._length > MAX_CHARACTERS:
            return False
        try:
            for name, value in _decode(fragment).items():
                if name in _IN_FRAGMENTS:
                    self._texts.setdefault(name, []).append(_decode_text(value))
                    self._members.setdefault(name, value)  # keeps its place among the members
                else:
                    self._members[name] = value
        except BAD_BODY:
            return False
        return True

    def whole(self) -> msgspec.Raw:
        """Return the object that a whole answer would hold."""
        told = {name: _encode("".join(texts)) for name, texts in self._texts.items()}
        return msgspec.Raw(_encode(self._members | {name: msgspec.Raw(text) for name, text in told.items()}))
