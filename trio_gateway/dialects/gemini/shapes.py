"""Reading a request's body: fast where it holds nothing but what the neutral model has words for.

A narrowed twin of each wire struct refuses unknown members and takes nothing but null where the model has no word.
Success with it is the common case, and proves that nothing is left unread. Else the body is normalised, object by
object: snake_case becomes camelCase, what cannot be carried becomes a loss, and what lies below arguments and
schemas stays the text that it was. Where the API has a list, Google's parser takes a single item as well, and so does
this.
"""

from __future__ import annotations

import re
import types
import typing
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, UnsetType

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.members import respell
from trio_gateway.dialects.unread import UNKNOWN, Narrowed, strict_twin
from trio_gateway.dialects.wire import BAD_BODY, check_text, escape, invalid
from trio_gateway.errors import InvalidRequest

# By struct, what the neutral model has a word for; a struct that is not named is modelled as a whole.
_Table = dict[type[msgspec.Struct], frozenset[str]]
REQUEST: _Table = {
    wire_gemini.GenerateContentRequest: frozenset({
        "contents", "system_instruction", "tools", "tool_config", "generation_config", "service_tier", "store", "model",
    }),
    wire_gemini.Part: frozenset({
        "text", "thought", "thought_signature", "inline_data", "file_data", "function_call", "function_response",
    }),
    wire_gemini.FunctionCall: frozenset({"id", "name", "args"}),
    wire_gemini.FunctionResponse: frozenset({"id", "name", "response", "parts"}),
    wire_gemini.FunctionResponsePart: frozenset({"inline_data", "file_data"}),
    wire_gemini.FunctionDeclaration: frozenset({"name", "description", "parameters", "parameters_json_schema"}),
    wire_gemini.ToolConfig: frozenset({"function_calling_config"}),
    wire_gemini.FunctionCallingConfig: frozenset({"mode", "allowed_function_names"}),
    wire_gemini.GenerationConfig: frozenset({
        "temperature", "top_p", "top_k", "candidate_count", "max_output_tokens", "stop_sequences", "seed",
        "presence_penalty", "frequency_penalty", "response_mime_type", "response_schema", "response_json_schema",
        "response_format", "response_logprobs", "logprobs", "thinking_config", "response_modalities",
    }),
    wire_gemini.ResponseFormat: frozenset({"text"}),
}  # fmt: skip

# In answers a call may come in fragments; what candidates and usage say besides is looked at where they are read.
ANSWER: _Table = {wire_gemini.Part: REQUEST[wire_gemini.Part]}

# What a part may hold beside its datum.
_BESIDES = frozenset({
    "thought", "thoughtSignature", "videoMetadata", "mediaResolution", "mediaProcessing", "partMetadata",
    "speechMetadata", "documentMetadata", "spreadsheetMetadata", "audioMetadata",
})  # fmt: skip
_DATA = frozenset({"text", "inlineData", "fileData", "functionCall", "functionResponse"})

# ProtoJSON's defaults, which are the same as absence.
_NOTHING = frozenset({b"null", b"[]", b"{}", b'""', b"false", b"0"})

NO_COUNTERPART = "has no counterpart in other formats"

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode
_snake = re.compile(r"_([a-z0-9])")


class Body(msgspec.Struct, frozen=True):
    """A request as read. `opaque` holds parts and tools of unknown kinds by pointer, each its tag and raw JSON;
    `spelled` the pointers that the client spelled otherwise, by the camelCase ones."""

    request: wire_gemini.GenerateContentRequest
    unread: Losses
    opaque: dict[str, tuple[str, Raw]]
    spelled: dict[str, str]


def read(body: bytes) -> Body:
    """Raises InvalidRequest."""
    try:
        check_text(body)
        return Body(_narrow.decode(body), [], {}, {})
    except BAD_BODY:
        pass  # something to report, to rename or to refuse
    normaliser = Normaliser(REQUEST)
    try:
        check_text(body)
        normal = normaliser.object(Raw(body), wire_gemini.GenerateContentRequest, "", "")
        request = wire_gemini.request_decoder.decode(normal)
    except BAD_BODY as error:
        refusal = invalid(error)
        raise respelled(refusal, normaliser.spelled) from error
    return Body(request, normaliser.losses, normaliser.opaque, normaliser.spelled)


def read_chunk(frame: bytes) -> tuple[wire_gemini.GenerateContentResponse, Normaliser | None]:
    """Read an answer, or a chunk of one, and where it is out of the ordinary, what is so. Raises BAD_BODY."""
    check_text(frame)
    try:
        return _narrow_answer.decode(frame), None
    except BAD_BODY:
        normaliser = Normaliser(ANSWER)
        normal = normaliser.object(Raw(frame), wire_gemini.GenerateContentResponse, "", "")
        return wire_gemini.response_decoder.decode(normal), normaliser


def respelled(error: InvalidRequest, spelled: dict[str, str]) -> InvalidRequest:
    """Return `error` with its pointer as the client spelled it."""
    at = error.pointer or ""
    written = respell(at, spelled)
    message = error.message.replace(at, written) if at else error.message
    return InvalidRequest(message, code=error.code, pointer=written)


# --------------------------------------------------------------------------------------------- the twin


def _nothing_but(table: _Table) -> Narrowed:
    """Return the types that leave no room, but for null, where the model has no word."""
    return {
        (shape, field): UnsetType | None
        for shape, modelled in table.items()
        for field in shape.__struct_fields__
        if field not in modelled
    }


_narrow: msgspec.json.Decoder[wire_gemini.GenerateContentRequest] = msgspec.json.Decoder(
    strict_twin(wire_gemini.GenerateContentRequest, _nothing_but(REQUEST)), strict=False
)

_narrow_answer: msgspec.json.Decoder[wire_gemini.GenerateContentResponse] = msgspec.json.Decoder(
    strict_twin(wire_gemini.GenerateContentResponse, _nothing_but(ANSWER)), strict=False
)

# ---------------------------------------------------------------------------------------- the normaliser


class _Field(msgspec.Struct, frozen=True):
    name: str
    shape: type[msgspec.Struct] | None  # of the object, or of the list's items
    is_list: bool  # and nothing but a list


@cache
def _fields(shape: type[msgspec.Struct]) -> dict[str, _Field]:
    hints = typing.get_type_hints(shape)
    fields = {}
    for field in msgspec.structs.fields(shape):
        nested, is_list = _nested(hints[field.name])
        fields[field.encode_name] = _Field(field.name, nested, is_list)
    return fields


def _nested(hint: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """Return the struct that a field holds, alone or in a list; None for anything else. And whether it is a list."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    lists = 0
    for option in options:
        is_list = typing.get_origin(option) is list
        inner = typing.get_args(option)[0] if is_list else option
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return inner, is_list
        lists += is_list
    others = [option for option in options if option not in (UnsetType, types.NoneType)]
    return None, lists == len(others)


class Normaliser:
    """`table` says what is modelled. Afterwards `opaque` holds parts of other kinds by pointer, tag and raw JSON."""

    def __init__(self, table: _Table) -> None:
        self._table = table
        self.losses: Losses = []
        self.opaque: dict[str, tuple[str, Raw]] = {}
        self.spelled: dict[str, str] = {}

    def object(self, raw: Raw, shape: type[msgspec.Struct], at: str, written: str) -> bytes:
        """Return the object with camelCase names and without what cannot be carried. Something else is left as it is:
        the lenient struct says what is wrong with it."""
        try:
            members = _decode_members(raw)
        except msgspec.ValidationError:
            return bytes(raw)
        members = {name: value for name, value in members.items() if bytes(value) != b"null"}
        fields, modelled = _fields(shape), self._table.get(shape)
        if shape is wire_gemini.Part and self._is_opaque(members, raw, at):
            return b"{}"
        result: dict[str, Raw] = {}
        for key, value in members.items():
            name, pointer = self._name(key, fields, at, written)
            field = fields.get(name)
            if field is None and shape is wire_gemini.Tool:
                self.opaque[f"{at}/{key}"] = (key, value)
            elif field is None:
                self.losses.append(Loss(pointer, UNKNOWN))
            elif modelled is not None and field.name not in modelled:
                if bytes(value) not in _NOTHING and not bytes(value).endswith(b'_UNSPECIFIED"'):
                    self.losses.append(Loss(pointer, NO_COUNTERPART))
            else:
                if name in result:
                    self.losses.append(Loss(pointer, "given twice, in two spellings: the last one counts"))
                result[name] = self._value(value, field, f"{at}/{name}", pointer)
        return _encode(result)

    def _name(self, key: str, fields: dict[str, _Field], at: str, written: str) -> tuple[str, str]:
        pointer = f"{written}/{escape(key)}"
        if key not in fields and "_" in key:
            camel = _snake.sub(lambda match: match[1].upper(), key)
            if camel in fields:
                self.spelled[f"{at}/{camel}"] = pointer
                return camel, pointer
        return key, pointer

    def _value(self, value: Raw, field: _Field, at: str, written: str) -> Raw:
        if not field.is_list:
            return value if field.shape is None else Raw(self.object(value, field.shape, at, written))
        if not bytes(value).startswith(b"["):
            return self._alone(value, field.shape, at, written)
        if field.shape is None:
            return value
        try:
            items = _decode_list(value)
        except msgspec.ValidationError:
            return value
        shape = field.shape
        normal = [Raw(self.object(item, shape, f"{at}/{i}", f"{written}/{i}")) for i, item in enumerate(items)]
        return Raw(_encode(normal))

    def _alone(self, value: Raw, shape: type[msgspec.Struct] | None, at: str, written: str) -> Raw:
        """Return the list of one that a value stands for, as Google's parser reads it.

        What is no item of the list is left as it is: the lenient struct says what is wrong with it.
        """
        if bytes(value).startswith(b"{") == (shape is None):
            return value
        self.spelled[f"{at}/0"] = written
        item = bytes(value) if shape is None else self.object(value, shape, f"{at}/0", written)
        return Raw(b"[%b]" % item)

    def _is_opaque(self, members: dict[str, Raw], raw: Raw, at: str) -> bool:
        names = [_snake.sub(lambda match: match[1].upper(), key) for key in members]
        others = [name for name in names if name not in _BESIDES]
        if not others or not _DATA.isdisjoint(others):
            return False
        self.opaque[at] = (others[0], raw)
        return True
