"""What a decoded body left unread, at any depth, without paying for it when there is nothing.

A twin of a wire struct has the same fields and refuses unknown ones. Decoding with the twin first costs no more
than decoding with the struct itself, and success proves that every member was read. Only where it fails is the
body decoded leniently, and its objects are looked through for members nobody has a field for.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.wire import BAD_BODY, NULL, check_text, escape, read_request

T = TypeVar("T", bound=msgspec.Struct)

# Types of fields, by struct and field, that take the place of the struct's own.
Narrowed = Mapping[tuple[type[msgspec.Struct], str], object]

# The names on the way to a member, without positions in lists.
Place = tuple[str, ...]
# Places of members that no field is for, each with the type of what may be there.
Granted = frozenset[tuple[Place, object]]

UNKNOWN = "unknown to this gateway"
_NOTHING: Granted = frozenset()


def strict_twin(shape: type[T], narrowed: Narrowed | None = None, granted: Granted = _NOTHING) -> type[T]:
    """Return a subclass of `shape` with the same fields, all the way down, that refuses unknown members.

    `narrowed` replaces types: a tag's `str` becomes the tags that are known. `granted` members are not refused.
    """
    return typing.cast("type[T]", Twins(narrowed or {}).of(shape, granted))


class Twins:
    """The twins of structs, made once for all places where the same is granted."""

    def __init__(self, narrowed: Narrowed) -> None:
        self._narrowed = narrowed
        self._made: dict[tuple[type, Granted], type] = {}

    def __len__(self) -> int:
        return len(self._made)

    def of(self, shape: type[msgspec.Struct], granted: Granted) -> type:
        made = self._made.get((shape, granted))
        if made is not None:
            return made
        hints = typing.get_type_hints(shape)
        fields: list[Any] = []
        for field in msgspec.structs.fields(shape):
            name = field.encode_name
            below = frozenset((place[1:], kind) for place, kind in granted if place[1:] and place[0] == name)
            hint = self._narrowed.get((shape, field.name)) or self._strict(hints[field.name], below)
            default = msgspec.field(name=name, default=field.default, default_factory=field.default_factory)  # type: ignore[call-overload]  # NODEFAULT, in one of them or both, is what it takes for none
            fields.append((field.name, hint, default))
        here = [(place[0], kind) for place, kind in granted if not place[1:]]
        for number, (name, kind) in enumerate(sorted(here, key=itemgetter(0))):
            fields.append((f"granted_{number}", kind, msgspec.field(name=name, default=None)))
        twin = msgspec.defstruct(shape.__name__, fields, bases=(shape,), kw_only=True, forbid_unknown_fields=True)
        self._made[shape, granted] = twin
        return twin

    def _strict(self, hint: Any, granted: Granted) -> Any:
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return self.of(hint, granted)
        arguments = typing.get_args(hint)
        if not arguments or typing.get_origin(hint) is typing.Literal:
            return hint
        arguments = tuple(self._strict(argument, granted) for argument in arguments)
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            return typing.Union[arguments]  # noqa: UP007  made at run time
        return typing.get_origin(hint)[arguments]


class Unread(msgspec.Struct, frozen=True):
    """A member that no field is for. `place` is its pointer without positions."""

    pointer: str
    place: Place
    is_null: bool


def read_whole(
    decode_strictly: Callable[[bytes], T], decoder: msgspec.json.Decoder[T], body: bytes
) -> tuple[T, Losses]:
    """Decode a client's body, with its type's twin if that will do, and tell what was left unread.

    Raises InvalidRequest.
    """
    try:
        check_text(body)  # Raw members are passed on unread
        return decode_strictly(body), []
    except BAD_BODY:
        return read_request(decoder, body), unread_members(body, decoder.type)


def unread_members(body: bytes | Raw, shape: type[msgspec.Struct], at: str = "") -> Losses:
    """Return a loss for each member, at any depth, that `shape` has no field for and that is not null.

    `body` has been checked to be text, and decoded as `shape`: this isn't expected to raise. What lies in a field that
    is Raw, or of no struct's type, is not looked at.
    """
    return [Loss(found.pointer, UNKNOWN) for found in find_unread(body, shape, at) if not found.is_null]


def find_unread(body: bytes | Raw, shape: type[msgspec.Struct], at: str = "") -> list[Unread]:
    """Return the members of `unread_members`, and those that are null."""
    found: list[Unread] = []
    _walk(body, _type_of(shape), at, (), found)
    return found


@cache
def _type_of(shape: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(shape)


def _walk(value: bytes | Raw, kind: msgspec.inspect.Type, at: str, place: Place, found: list[Unread]) -> None:
    for option in kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,):
        try:
            if isinstance(option, msgspec.inspect.StructType):
                _walk_members(_decode_members(value), option, at, place, found)
            elif isinstance(option, msgspec.inspect.ListType) and _holds_structs(option.item_type):
                for index, item in enumerate(_decode_items(value)):
                    _walk(item, option.item_type, f"{at}/{index}", place, found)
        except msgspec.ValidationError:
            pass  # it is of another of the types


def _holds_structs(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_holds_structs(option) for option in kind.types)
    return isinstance(kind, msgspec.inspect.StructType | msgspec.inspect.ListType)


def _walk_members(
    members: dict[str, Raw], kind: msgspec.inspect.StructType, at: str, place: Place, found: list[Unread]
) -> None:
    if kind.tag_field is not None and _tag(members, kind) != kind.tag:
        return
    known = {field.encode_name: field.type for field in kind.fields}
    for name, member in members.items():
        if name in known:
            _walk(member, known[name], f"{at}/{escape(name)}", (*place, name), found)
        elif name != kind.tag_field:
            found.append(Unread(f"{at}/{escape(name)}", (*place, name), member == NULL))


def _tag(members: dict[str, Raw], kind: msgspec.inspect.StructType) -> object:
    written = members.get(kind.tag_field or "")
    return kind.tag if written is None else _decode_tag(written)


_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
_decode_tag = msgspec.json.Decoder(str | int).decode
