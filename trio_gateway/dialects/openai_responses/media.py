"""Images and files between content parts and the neutral ones."""

from __future__ import annotations

import base64
import binascii

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import File, Image, Loss, Losses, Media
from trio_gateway.dialects.media import data_url, image_type_of_base64, media_type_of_base64, not_inlined
from trio_gateway.dialects.members import member

_EXTENSIONS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/html": "html",
    "text/csv": "csv",
    "application/json": "json",
}
_DETAILS = frozenset({"low", "high", "original"})


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
        losses.append(Loss(member(source, image.at, "detail"), f"there is no image detail {detail!r}"))
        detail = "auto"
    media = image.media
    if media.kind == "file_id":
        return wire.InputImage(detail, file_id=_file_id(media.value, source, image.at))
    if media.kind == "url":
        if not image_urls:
            raise not_inlined("This model takes no image URLs", image.at)
        return wire.InputImage(detail, media.value)
    media_type = media.media_type or image_type_of_base64(media.value)
    if media_type is None:
        losses.append(Loss(image.at, "the media type is not known: image/png is written"))
    return wire.InputImage(detail, data_url(media_type or "image/png", media.value))


def wire_file(file: File, source: str, losses: Losses) -> wire.InputFile:
    """Return an input_file. Raises InvalidRequest for one that OpenAI cannot reach."""
    if file.context is not None:
        losses.append(Loss(member(source, file.at, "context"), "a document has no context here"))
    if file.citations_enabled:
        losses.append(Loss(member(source, file.at, "citations_enabled"), "a document is not cited here"))
    media = file.media
    if media.kind == "file_id":
        return wire.InputFile(file_id=_file_id(media.value, source, file.at), filename=file.filename)
    if media.kind == "url":
        return wire.InputFile(file_url=media.value, filename=file.filename)
    if media.kind == "text":
        content, media_type = base64.b64encode(media.value.encode()).decode("ascii"), media.media_type or "text/plain"
    else:
        content, media_type = media.value, media.media_type or media_type_of_base64(media.value) or "application/pdf"
    filename = file.filename
    if filename is None:
        filename = f"document.{_EXTENSIONS.get(media_type, 'bin')}"
        losses.append(Loss(file.at, f"a file name is required: {filename} is written"))
    return wire.InputFile(file_data=data_url(media_type, content), filename=filename)


def _file_id(file_id: str, source: str, at: str) -> str:
    if not source.startswith("openai_"):
        raise not_inlined("A file id of another provider cannot be used here", at)
    return file_id
