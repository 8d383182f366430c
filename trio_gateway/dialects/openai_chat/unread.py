"""What a decoded body left unread, at any depth, without paying for it when there is nothing.

A twin of a wire struct has the same fields and refuses unknown ones. Decoding with the twin first costs no more
than decoding with the struct itself, and success proves that every member was read. Only where it fails is the
body decoded leniently, and once more into plain objects that are walked for members nobody has a field for.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, TypeVar

import msgspec

from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.wire import escape

T = TypeVar("T", bound=msgspec.Struct)

UNKNOWN = "unknown to this gateway"


def twin(shape: type[T], narrowed: dict[tuple[str, str], object]) -> type[T]:
    """Return the strict twin of `shape`: same fields, all the way down, and unknown members refused.

    `narrowed` replaces the type of (struct, field): a tag's `str` becomes the tags that are known.
    """
    made: dict[type, type] = {}

    def strict(hint: Any) -> Any:
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return made.get(hint) or define(hint)
        arguments = typing.get_args(hint)
        if not arguments or typing.get_origin(hint) is typing.Literal:
            return hint
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            return typing.Union[tuple(strict(argument) for argument in arguments)]  # noqa: UP007  made at run time
        return typing.get_origin(hint)[tuple(strict(argument) for argument in arguments)]

    def define(original: type[msgspec.Struct]) -> type:
        hints = typing.get_type_hints(original)
        config = original.__struct_config__
        fields: list[Any] = []
        for field in msgspec.structs.fields(original):
            hint = narrowed.get((original.__name__, field.name)) or strict(hints[field.name])
            fields.append((field.name, hint) if field.required else (field.name, hint, field.default))
        made[original] = msgspec.defstruct(
            original.__name__, fields, tag_field=config.tag_field, tag=config.tag, forbid_unknown_fields=True
        )
        return made[original]

    return typing.cast("type[T]", define(shape))


def unread_members(value: object, shape: type[msgspec.Struct]) -> Losses:
    """Return a loss for each member of `value`, a body as plain objects, that `shape` has no field for."""
    losses: Losses = []
    _walk(value, _type_of(shape), "", losses)
    return losses


@cache
def _type_of(shape: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(shape)


def _walk(value: object, kind: msgspec.inspect.Type, at: str, losses: Losses) -> None:
    options = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    if isinstance(value, list):
        for option in options:
            if isinstance(option, msgspec.inspect.ListType):
                for index, item in enumerate(value):
                    _walk(item, option.item_type, f"{at}/{index}", losses)
    elif isinstance(value, dict):
        for option in options:
            if isinstance(option, msgspec.inspect.StructType) and (
                option.tag_field is None or value.get(option.tag_field, option.tag) == option.tag
            ):
                _walk_members(value, option, at, losses)


def _walk_members(value: dict[str, object], kind: msgspec.inspect.StructType, at: str, losses: Losses) -> None:
    known = {field.encode_name: field.type for field in kind.fields}
    for name, member in value.items():
        if name in known:
            _walk(member, known[name], f"{at}/{escape(name)}", losses)
        elif name != kind.tag_field and member is not None:
            losses.append(Loss(f"{at}/{escape(name)}", UNKNOWN))
