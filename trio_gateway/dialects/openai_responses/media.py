"""Images and files between content parts and the neutral ones."""

from __future__ import annotations

import base64
import binascii
import urllib.parse

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import File, Image, Loss, Losses, Media
from trio_gateway.errors import InvalidRequest

_URL_SAFE = str.maketrans("-_", "+/")

# How the base64 of common types begins: for a source that names no media type.
_HEADS = {
    "/9j/": "image/jpeg",
    "iVBOR": "image/png",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBER": "application/pdf",
}
_EXTENSIONS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/html": "html",
    "text/csv": "csv",
    "application/json": "json",
}
_DETAILS = frozenset({"low", "high", "original"})


def media_of(url: str, at: str, losses: Losses) -> Media:
    """Return where the bytes of an http(s) or data URL (RFC 2397) are. Raises InvalidRequest for a broken data URL.

    Base64 comes out in the standard alphabet.
    """
    if url[:5].lower() != "data:":
        return Media("url", url)
    head, comma, content = url[5:].partition(",")
    if not comma:
        raise InvalidRequest(f"The data URL at {at} has no comma.", code="invalid_value", pointer=at)
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
    return Media("base64", standard_base64(content), media_type.lower() or sniff(content))


def standard_base64(content: str) -> str:
    return content.translate(_URL_SAFE) if "-" in content or "_" in content else content


def sniff(content: str) -> str | None:
    """Return the media type that base64 content begins like."""
    return next((media_type for head, media_type in _HEADS.items() if content.startswith(head)), None)


def document_of(media: Media) -> Media:
    """Return plain text as text, which is how targets that take documents want it; everything else as it is."""
    if media.kind == "base64" and media.media_type == "text/plain":
        try:
            return Media("text", base64.b64decode(media.value, validate=True).decode(), "text/plain")
        except (binascii.Error, ValueError):
            return media
    return media


def wire_image(image: Image, source: str, image_urls: bool, losses: Losses) -> wire.InputImage:
    """Return an input_image. Raises InvalidRequest for one that OpenAI cannot reach."""
    detail = image.detail or "auto"
    if detail != "auto" and detail not in _DETAILS:
        losses.append(Loss(image.at, f"there is no image detail {detail!r}"))
        detail = "auto"
    media = image.media
    if media.kind == "file_id":
        return wire.InputImage(detail, file_id=_file_id(media.value, source, image.at))
    if media.kind == "url":
        if not image_urls:
            raise _inline("This model takes no image URLs", image.at)
        return wire.InputImage(detail, media.value)
    media_type = media.media_type or sniff(media.value)
    if media_type is None:
        losses.append(Loss(image.at, "the media type is not known: image/png is written"))
    return wire.InputImage(detail, f"data:{media_type or 'image/png'};base64,{media.value}")


def wire_file(file: File, source: str, losses: Losses) -> wire.InputFile:
    """Return an input_file. Raises InvalidRequest for one that OpenAI cannot reach."""
    if file.context is not None or file.citations_enabled:
        losses.append(Loss(file.at, "a document's context and citations have no counterpart here"))
    media = file.media
    if media.kind == "file_id":
        return wire.InputFile(file_id=_file_id(media.value, source, file.at), filename=file.filename)
    if media.kind == "url":
        return wire.InputFile(file_url=media.value, filename=file.filename)
    if media.kind == "text":
        content, media_type = base64.b64encode(media.value.encode()).decode("ascii"), media.media_type or "text/plain"
    else:
        content, media_type = media.value, media.media_type or sniff(media.value) or "application/pdf"
    filename = file.filename
    if filename is None:
        filename = f"document.{_EXTENSIONS.get(media_type, 'bin')}"
        losses.append(Loss(file.at, f"a file name is required: {filename} is written"))
    return wire.InputFile(file_data=f"data:{media_type};base64,{content}", filename=filename)


def _file_id(file_id: str, source: str, at: str) -> str:
    if not source.startswith("openai_"):
        raise _inline("A file id of another provider cannot be used here", at)
    return file_id


def _inline(reason: str, at: str) -> InvalidRequest:
    message = f"{reason} (at {at}): inline the content as a data: URL."
    return InvalidRequest(message, code="unsupported_value", pointer=at)
