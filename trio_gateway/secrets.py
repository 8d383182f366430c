"""Secrets: named where they are configured, read once, and never shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class Secret:
    """A key or token. `reveal()` is the only way to its value; str, repr and format show none of it.

    It is written as a literal, `env:NAME` or `file:PATH`; `reference` is safe to show.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, reference: str = "literal") -> None:
        self._value = value
        self.reference = reference

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"<Secret {self.reference}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


class UnresolvedSecret(ValueError):
    """The reference leads nowhere. The message is safe to show."""


def resolve(reference: str, environ: Mapping[str, str], base: Path) -> Secret:
    """Return the secret that `reference` names; paths are relative to `base`. Raises UnresolvedSecret."""
    kind, colon, rest = reference.partition(":")
    if colon and kind == "env":
        value = environ.get(rest, "").strip()
        if not value:
            raise UnresolvedSecret(f"the environment variable {rest} is not set")
        return Secret(_header_safe(value, f"the environment variable {rest}"), reference)
    if colon and kind == "file":
        path = base / Path(rest).expanduser()
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UnresolvedSecret(f"the file {path} cannot be read: {reason}") from error
        if not value:
            raise UnresolvedSecret(f"the file {path} is empty")
        return Secret(_header_safe(value, f"the file {path}"), reference)
    if not reference.strip():
        raise UnresolvedSecret("it is empty; write the secret, env:NAME or file:PATH")
    return Secret(_header_safe(reference.strip(), "the value"))


def _header_safe(value: str, where: str) -> str:
    """A secret travels in a header: it is one line of visible ASCII."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise UnresolvedSecret(f"{where} holds spaces, line ends or characters that are not ASCII")
    return value
