"""Reading a decoded document into structs, field by field, so that every problem is found and not just the first."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from trio_gateway.secrets import Secret, UnresolvedSecret, resolve

# Called with a struct, its key path, and the Problems to add to.
Check: TypeAlias = Callable[[Any, str, "Problems"], None]


class Problems:
    """What is wrong with one document, and what reading it needs.

    `checks` look for problems between the fields of a struct: by its type, called with each that could be read.
    """

    def __init__(
        self, name: str, environ: Mapping[str, str], base: Path, checks: Mapping[type, Check] | None = None
    ) -> None:
        self.name = name
        self.environ = environ
        self.base = base
        self.checks = checks or {}
        self.lines: list[str] = []

    def add(self, at: str, problem: str) -> None:
        self.lines.append(f"{self.name}: {at}: {problem}" if at else f"{self.name}: {problem}")


INVALID = object()  # stands for a value that has a problem, which is noted already


def read_struct(shape: type[msgspec.Struct], value: object, at: str, problems: Problems) -> object:
    """Return the struct that `value` describes, or INVALID. Values are never quoted: one may be a secret."""
    if not isinstance(value, dict):
        problems.add(at, "must be a table")
        return INVALID
    types_ = typing.get_type_hints(shape, include_extras=True)
    required = {field.name for field in msgspec.structs.fields(shape) if field.required}
    read: dict[str, Any] = {}
    for key, member in value.items():
        if key not in types_:
            problems.add(_join(at, key), f"is unknown; {_suggestion(key, list(types_))}")
        else:
            read[key] = _read(types_[key], member, _join(at, key), problems)
    for name in sorted(required - value.keys()):
        problems.add(_join(at, name), f"is required: {describe(types_[name])}")
    if INVALID in read.values() or required - read.keys():
        return INVALID
    struct = shape(**read)
    if (check := problems.checks.get(shape)) is not None:
        check(struct, at, problems)
    return struct


def _read(shape: Any, value: object, at: str, problems: Problems) -> object:
    if get_origin(shape) in (Union, types.UnionType):
        members = [member for member in get_args(shape) if member is not type(None)]
        if len(members) == 1:
            return _read(members[0], value, at, problems)
    if shape is Secret:
        return _read_secret(value, at, problems)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return read_struct(shape, value, at, problems)
    if get_origin(shape) is list and get_args(shape)[0] is Secret:
        if not isinstance(value, list):
            problems.add(at, "must be a list")
            return INVALID
        secrets = [_read_secret(item, f"{at}[{index}]", problems) for index, item in enumerate(value)]
        return INVALID if INVALID in secrets else secrets
    if get_origin(shape) is list and (struct := _struct_in(get_args(shape)[0])) is not None:
        if not isinstance(value, list):
            problems.add(at, "must be a list")
            return INVALID
        items = [_read_item(struct, get_args(shape)[0], item, f"{at}[{n}]", problems) for n, item in enumerate(value)]
        return INVALID if INVALID in items else items
    if get_origin(shape) is dict and _is_struct(get_args(shape)[1]):
        if not isinstance(value, dict):
            problems.add(at, "must be a table")
            return INVALID
        entries = {key: read_struct(get_args(shape)[1], item, _join(at, key), problems) for key, item in value.items()}
        return INVALID if INVALID in entries.values() else entries
    return _convert(shape, value, at, problems)


def _struct_in(shape: Any) -> type[msgspec.Struct] | None:
    """Return the struct that `shape` is, or that it is among others."""
    members = get_args(shape) if get_origin(shape) in (Union, types.UnionType) else (shape,)
    return next((member for member in members if _is_struct(member)), None)


def _read_item(struct: type[msgspec.Struct], shape: Any, value: object, at: str, problems: Problems) -> object:
    """Read one of a list of tables, among which there may be texts."""
    if shape is struct or isinstance(value, dict):
        return read_struct(struct, value, at, problems)
    return _convert(shape, value, at, problems)


def _is_struct(shape: object) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


def _convert(shape: Any, value: object, at: str, problems: Problems) -> object:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        problems.add(at, f"must be {describe(shape)}")
        return INVALID


def _read_secret(value: object, at: str, problems: Problems) -> object:
    if not isinstance(value, str):
        problems.add(at, "must be a text: the secret, env:NAME or file:PATH")
        return INVALID
    try:
        return resolve(value, problems.environ, problems.base)
    except UnresolvedSecret as error:
        problems.add(at, str(error))
        return INVALID


def describe(shape: Any) -> str:
    """Return in words what a configuration field takes."""
    origin, args = get_origin(shape), get_args(shape)
    if origin is Annotated:
        meta = args[1]
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (("more than", meta.gt), ("at least", meta.ge), ("at most", meta.le))
            if bound is not None
        ]
        return describe(args[0]) + (", " + " and ".join(bounds) if bounds else "")
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin in (Union, types.UnionType):
        return " or ".join(describe(member) for member in args if member is not type(None))
    if origin is list:
        return f"a list, each {describe(args[0])}"
    if origin is dict or _is_struct(shape):
        return "a table"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Secret: "a secret"}.get(
        shape, "something else"
    )


def _suggestion(key: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(key, allowed, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed are {', '.join(sorted(allowed))}"


def _join(at: str, key: object) -> str:
    return f"{at}.{key}" if at else str(key)
