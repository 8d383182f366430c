"""What a tool gave: an object in `functionResponse.response`, text and media in a ToolResult.

By Google's convention the object is {"output": text}, or {"error": text} where the call failed. A text that is
itself a JSON object is sent as that object, unless it would be read back as something else.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Audio, File, Image, Loss, Losses, Part, Text, ToolResult
from trio_gateway.dialects.gemini.media import read_blob, read_file_data, write_media
from trio_gateway.dialects.members import citations_at, mark_at
from trio_gateway.dialects.unanswered import NO_RESULT as NO_RESULT_TEXT
from trio_gateway.dialects.wire import BAD_BODY
from trio_gateway.errors import InvalidRequest


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    output: str


class _Error(msgspec.Struct, forbid_unknown_fields=True):
    error: str


_decode_output = msgspec.json.Decoder(_Output).decode
_decode_error = msgspec.json.Decoder(_Error).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode

NO_RESULT = Raw(_encode({"error": NO_RESULT_TEXT}))


def read_response(raw: Raw | UnsetType, at: str) -> tuple[str | None, bool | None]:
    """Return the text of a response, None for an empty one, and whether it is an error. Raises InvalidRequest."""
    text = b"" if raw is UNSET else bytes(raw)
    if text in (b"", b"null", b"{}"):
        return None, None
    if not text.startswith(b"{"):
        raise InvalidRequest(f"The response of a function is an object at {at}.", code="invalid_value", pointer=at)
    try:
        return _decode_output(text).output, None
    except BAD_BODY:
        pass
    try:
        return _decode_error(text).error, True
    except BAD_BODY:
        members = _decode_members(text)
    error = members.get("error")
    return text.decode(), True if error is not None and bytes(error) != b"null" else None


def write_response(text: str | None, is_error: bool | None) -> Raw:
    """Return the object for a text, so that `read_response` gives the same back."""
    failed = True if is_error else None
    if text is None:
        return Raw(b'{"error":""}') if failed else Raw(b"{}")
    encoded = text.encode(errors="replace")
    if encoded[:1] == b"{" and encoded[-1:] == b"}" and _is_object(encoded):
        raw = Raw(encoded)
        if read_response(raw, "") == (text, failed):
            return raw
    return Raw((b'{"error":%b}' if failed else b'{"output":%b}') % _encode(encoded.decode()))


def _is_object(text: bytes) -> bool:
    try:
        _decode_members(text)
    except BAD_BODY:
        return False
    return True


def read_parts(response: wire_gemini.FunctionResponse, at: str, losses: Losses) -> tuple[list[Part], bool | None]:
    """Return the parts of a result, and whether it is an error. Raises InvalidRequest."""
    text, is_error = read_response(response.response, f"{at}/response")
    parts: list[Part] = [] if text is None else [Text(text, f"{at}/response")]
    for i, part in enumerate(response.parts or ()):
        part_at = f"{at}/parts/{i}"
        if part.inline_data:
            parts.append(read_blob(part.inline_data, f"{part_at}/inlineData", losses))
        elif part.file_data:
            parts.append(read_file_data(part.file_data, f"{part_at}/fileData", losses))
    return parts, is_error


def write_result(result: ToolResult, source: str, can: Capabilities, losses: Losses) -> wire_gemini.FunctionResponse:
    """Return the response without id and name. Raises InvalidRequest for media that must be inlined."""
    texts: list[str] = []
    media: list[wire_gemini.FunctionResponsePart] = []
    for part in result.parts:
        if isinstance(part, Text):
            if part.cache is not None:
                losses.append(Loss(mark_at(part.cache, part.at), "Gemini has no cache marks"))
            if part.citations is not None:
                losses.append(Loss(citations_at(source, part.at), "a function's response has no citations"))
            texts.append(part.text)
        elif isinstance(part, Image | Audio | File):
            datum = write_media(part, source, can, losses)
            if datum is not None:
                media.append(wire_gemini.FunctionResponsePart(datum[0] or UNSET, datum[1] or UNSET))
        else:
            losses.append(Loss(part.at or result.at, "a function's response cannot hold this"))
    if len(texts) > 1:
        losses.append(Loss(result.at, f"{len(texts)} texts are joined"))
    if media and not all(isinstance(part, Text) for part in result.parts[: len(result.parts) - len(media)]):
        losses.append(Loss(result.at, "the text comes before the media"))
    if result.cache is not None:
        losses.append(Loss(mark_at(result.cache, result.at), "Gemini has no cache marks"))
    response = write_response("\n".join(texts) if texts else None, result.is_error)
    return wire_gemini.FunctionResponse(response=response, parts=media or UNSET)
