"""What a decoded body left unread, at any depth, without paying for it when there is nothing.

A twin of a wire struct has the same fields and refuses unknown ones. Decoding with the twin first costs no more
than decoding with the struct itself, and success proves that every member was read. Only where it fails is the
body decoded leniently, and its objects are looked through for members nobody has a field for.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.wire import NULL, escape

T = TypeVar("T", bound=msgspec.Struct)

# Types of fields, by struct and field, that take the place of the struct's own.
Narrowed = Mapping[tuple[type[msgspec.Struct], str], object]

UNKNOWN = "unknown to this gateway"


def strict_twin(shape: type[T], narrowed: Narrowed | None = None) -> type[T]:
    """Return a subclass of `shape` with the same fields, all the way down, that refuses unknown members.

    `narrowed` replaces types: a tag's `str` becomes the tags that are known.
    """
    return typing.cast("type[T]", _twin(shape, narrowed or {}, {}))


def _twin(shape: type[msgspec.Struct], narrowed: Narrowed, made: dict[type, type]) -> type:
    if shape in made:
        return made[shape]
    hints = typing.get_type_hints(shape)
    fields: list[Any] = []
    for field in msgspec.structs.fields(shape):
        hint = narrowed.get((shape, field.name)) or _strict(hints[field.name], narrowed, made)
        default = msgspec.field(name=field.encode_name, default=field.default, default_factory=field.default_factory)  # type: ignore[call-overload]  # NODEFAULT, in one of them or both, is what it takes for none
        fields.append((field.name, hint, default))
    made[shape] = msgspec.defstruct(shape.__name__, fields, bases=(shape,), kw_only=True, forbid_unknown_fields=True)
    return made[shape]


def _strict(hint: Any, narrowed: Narrowed, made: dict[type, type]) -> Any:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _twin(hint, narrowed, made)
    arguments = typing.get_args(hint)
    if not arguments or typing.get_origin(hint) is typing.Literal:
        return hint
    arguments = tuple(_strict(argument, narrowed, made) for argument in arguments)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return typing.Union[arguments]  # noqa: UP007  made at run time
    return typing.get_origin(hint)[arguments]


def unread_members(body: bytes | Raw, shape: type[msgspec.Struct], at: str = "") -> Losses:
    """Return a loss for each member, at any depth, that `shape` has no field for and that is not null.

    `body` has been checked to be text, and decoded as `shape`: this isn't expected to raise. What lies in a field that
    is Raw, or of no struct's type, is not looked at.
    """
    losses: Losses = []
    _walk(body, _type_of(shape), at, losses)
    return losses


@cache
def _type_of(shape: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(shape)


def _walk(value: bytes | Raw, kind: msgspec.inspect.Type, at: str, losses: Losses) -> None:
    for option in kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,):
        try:
            if isinstance(option, msgspec.inspect.StructType):
                _walk_members(_decode_members(value), option, at, losses)
            elif isinstance(option, msgspec.inspect.ListType) and _holds_structs(option.item_type):
                for index, item in enumerate(_decode_items(value)):
                    _walk(item, option.item_type, f"{at}/{index}", losses)
        except msgspec.ValidationError:
            pass  # it is of another of the types


def _holds_structs(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_holds_structs(option) for option in kind.types)
    return isinstance(kind, msgspec.inspect.StructType | msgspec.inspect.ListType)


def _walk_members(members: dict[str, Raw], kind: msgspec.inspect.StructType, at: str, losses: Losses) -> None:
    if kind.tag_field is not None and _tag(members, kind) != kind.tag:
        return
    known = {field.encode_name: field.type for field in kind.fields}
    for name, member in members.items():
        if name in known:
            _walk(member, known[name], f"{at}/{escape(name)}", losses)
        elif name != kind.tag_field and member != NULL:
            losses.append(Loss(f"{at}/{escape(name)}", UNKNOWN))


def _tag(members: dict[str, Raw], kind: msgspec.inspect.StructType) -> object:
    written = members.get(kind.tag_field or "")
    return kind.tag if written is None else _decode_tag(written)


_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
_decode_tag = msgspec.json.Decoder(str | int).decode
