"""Images, audio and files: `inlineData` and `fileData` there, parts here."""

from __future__ import annotations

import re
from base64 import b64encode

from msgspec import UNSET

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Audio, File, Image, Loss, Losses, Media
from trio_gateway.dialects.media import media_type_of_base64, not_inlined, standard_base64
from trio_gateway.dialects.members import mark_at, member
from trio_gateway.errors import InvalidRequest

# What only Google can fetch: its Files API and its storage. Any other URL anybody can.
_GOOGLES = re.compile(
    r"gs://|https://generativelanguage\.googleapis\.com/[^/]+/files/|https://(?:www\.)?youtu(?:\.be|be\.com)/"
).match
_PRIVATE = re.compile(r"gs://|https://generativelanguage\.googleapis\.com/[^/]+/files/").match

_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}
_EXTENSIONS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
               "webp": "image/webp", "pdf": "application/pdf"}  # fmt: skip


def read_blob(blob: wire_gemini.Blob, at: str, losses: Losses) -> Image | Audio | File:
    """Raises InvalidRequest for a blob without data or media type: the API wants both."""
    if not blob.mime_type:
        raise InvalidRequest("inlineData needs a mimeType.", code="missing_value", pointer=f"{at}/mimeType")
    if blob.data is UNSET or blob.data is None:
        raise InvalidRequest("inlineData needs its data.", code="missing_value", pointer=f"{at}/data")
    return _part(Media("base64", standard_base64(blob.data), blob.mime_type), blob.display_name or None, at, losses)


def read_file_data(data: wire_gemini.FileData, at: str, losses: Losses) -> Image | Audio | File:
    """Raises InvalidRequest for one without a URI."""
    if not data.file_uri:
        raise InvalidRequest("fileData needs a fileUri.", code="missing_value", pointer=f"{at}/fileUri")
    media = Media("file_id" if _PRIVATE(data.file_uri) else "url", data.file_uri, data.mime_type or None)
    return _part(media, data.display_name or None, at, losses)


def _part(media: Media, name: str | None, at: str, losses: Losses) -> Image | Audio | File:
    part_at = at.rpartition("/")[0]
    major, _, minor = (media.media_type or "").partition("/")
    if major not in ("image", "audio"):
        return File(media, part_at, filename=name)
    if name is not None:
        losses.append(Loss(f"{at}/displayName", "images and audio have no names in other formats"))
    if major == "image":
        return Image(media, part_at)
    minor = minor.partition(";")[0].strip()
    return Audio(media, part_at, format=_AUDIO_FORMATS.get(minor, minor))


_Datum = tuple[wire_gemini.Blob | None, wire_gemini.FileData | None]


def write_media(part: Image | Audio | File, source: str, can: Capabilities, losses: Losses) -> _Datum | None:
    """Return the blob or the file's data that `part` becomes; None where the model takes no such thing.

    Raises InvalidRequest for what Google cannot get at: it has to be inlined.
    """
    if not _takes(part, can):
        losses.append(Loss(part.at, "this model takes no such media"))
        return None
    _lose_details(part, source, losses)
    media = part.media
    if media.kind == "text":
        losses.append(Loss(part.at, "the text of the document is sent as base64"))
        data = b64encode(media.value.encode(errors="replace")).decode("ascii")
        return wire_gemini.Blob(mime_type=media.media_type or "text/plain", data=data), None
    if media.kind == "base64":
        return wire_gemini.Blob(mime_type=_media_type(part), data=media.value), None
    known = _GOOGLES(media.value) or (media.kind == "url" and can.image_urls)
    if not known:
        what = "URLs" if media.kind == "url" else "file ids of other providers"
        raise not_inlined(f"This model takes no {what}", part.at)
    media_type = media.media_type or _EXTENSIONS.get(media.value.rpartition(".")[2].lower())
    return None, wire_gemini.FileData(file_uri=media.value, mime_type=media_type or UNSET)


def _takes(part: Image | Audio | File, can: Capabilities) -> bool:
    if isinstance(part, Image):
        return can.images
    return can.audio if isinstance(part, Audio) else can.files


def _lose_details(part: Image | Audio | File, source: str, losses: Losses) -> None:
    if part.cache is not None:
        losses.append(Loss(mark_at(part.cache, part.at), "Gemini has no cache marks"))
    if isinstance(part, Image):
        if part.detail not in (None, "auto"):
            losses.append(Loss(member(source, part.at, "detail"), "Gemini has no detail of an image"))
    elif isinstance(part, File):
        if part.filename is not None:
            losses.append(Loss(member(source, part.at, "filename"), "the Gemini API takes no file names"))
        if part.context is not None:
            losses.append(Loss(member(source, part.at, "context"), "Gemini has no context of a document"))
        if part.citations_enabled:
            losses.append(Loss(member(source, part.at, "citations_enabled"), "Gemini does not cite a document"))


def _media_type(part: Image | Audio | File) -> str:
    media = part.media
    if media.media_type:
        return media.media_type
    if isinstance(part, Audio) and part.format:
        return f"audio/{part.format}"
    if found := media_type_of_base64(media.value):
        return found
    raise InvalidRequest(
        f"The media type is missing at {part.at}, and Gemini requires it.", code="missing_value", pointer=part.at
    )
