"""Bytes of images, audio and documents: where a URL says they are, how base64 spells them, what they begin like."""

from __future__ import annotations

import base64
import binascii
import urllib.parse

from trio_gateway.dialects.conversation import Loss, Losses, Media
from trio_gateway.errors import InvalidRequest

# How files begin; a RIFF and an ISO file say what they hold further on.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_RIFFS = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS = {b"ftypavif": "image/avif", b"ftypavis": "image/avif"}
_START_CHARACTERS = 24  # of base64, 18 bytes: as far as the longest of the signatures reaches

_URL_SAFE = str.maketrans("-_", "+/")


def media_type_of(start: bytes) -> str | None:
    """Return the media type of what begins so, None where that is not known. Twelve bytes are enough."""
    if start[:4] == b"RIFF":
        return _RIFFS.get(start[8:12])
    found = next((media_type for signature, media_type in _SIGNATURES if start.startswith(signature)), None)
    return found or _BRANDS.get(start[4:12])


def media_type_of_base64(content: str) -> str | None:
    """Return the media type of what standard base64 begins like."""
    try:
        start = binascii.a2b_base64(content[:_START_CHARACTERS].ljust(_START_CHARACTERS, "="))
    except ValueError:  # binascii.Error is one, and so is what a character outside ASCII gives
        return None
    return media_type_of(start)


def image_type_of_base64(content: str) -> str | None:
    """Return the media type of an image that standard base64 begins like; None for what is no image."""
    found = media_type_of_base64(content)
    return found if found is not None and found.startswith("image/") else None


def standard_base64(content: str) -> str:
    """Return base64 of either alphabet in the standard one and padded, which is all that some decoders take."""
    if "-" in content or "_" in content:
        content = content.translate(_URL_SAFE)
    missing = -len(content) % 4
    return content + "=" * missing if 0 < missing < 3 else content  # lacking three, it is no base64 at all


def is_data_url(url: str) -> bool:
    return url[:5].lower() == "data:"


def media_of_url(url: str, at: str, losses: Losses) -> Media:
    """Return where the bytes of an http(s) or data URL (RFC 2397) are. Raises InvalidRequest for a broken data URL.

    Base64 comes out in the standard alphabet, with the media type that it begins like where none is given.
    """
    if not is_data_url(url):
        return Media("url", url)
    head, comma, content = url[5:].partition(",")
    if not comma:
        raise InvalidRequest(f"A data URL without a comma at {at}.", code="invalid_value", pointer=at)
    media_type, *parameters = (piece.strip() for piece in head.split(";"))
    encoded = bool(parameters) and parameters[-1].lower() == "base64"
    if encoded:
        parameters.pop()
    if any(parameter.lower() != "charset=utf-8" for parameter in parameters):
        losses.append(Loss(at, "the parameters of the data URL's media type are dropped"))
    if not encoded:
        content = base64.b64encode(urllib.parse.unquote_to_bytes(content)).decode("ascii")
    elif "%" in content:
        content = urllib.parse.unquote(content)
    content = standard_base64(content)
    return Media("base64", content, media_type.lower() or media_type_of_base64(content))


def media_of_file_data(file_data: str, at: str, losses: Losses) -> Media:
    """Return the bytes of a `file_data`: a data URL, or base64 alone. Raises InvalidRequest for a broken data URL."""
    if is_data_url(file_data):
        return media_of_url(file_data, at, losses)
    content = standard_base64(file_data)
    return Media("base64", content, media_type_of_base64(content))


def data_url(media_type: str, content: str) -> str:
    return f"data:{media_type};base64,{content}"


def not_inlined(reason: str, at: str) -> InvalidRequest:
    """Return the client's error for media that the target cannot get at, or takes in no other form than base64."""
    message = f"{reason}, at {at}: send it inline, as base64."
    return InvalidRequest(message, code="unsupported_value", pointer=at)
