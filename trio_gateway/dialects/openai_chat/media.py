"""Images, audio and files between Chat's content parts and the neutral ones."""

from __future__ import annotations

import base64
import urllib.parse

from gateway_schemas.openai_chat import ContentPart, FileContent, ImageUrl, InputAudio
from trio_gateway.dialects.conversation import Audio, File, Image, Loss, Losses, Media
from trio_gateway.errors import InvalidRequest

_URL_SAFE = str.maketrans("-_", "+/")

# How base64 of the common image types begins: the media type where the source names none.
_IMAGE_HEADS = {"/9j/": "image/jpeg", "iVBOR": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp"}

DETAILS = frozenset({"auto", "low", "high", "original"})


def media_of_url(url: str, at: str, losses: Losses) -> Media:
    """Return where the bytes of an http(s) or data URL (RFC 2397) are; base64 comes out in the standard alphabet."""
    if url[:5].lower() != "data:":
        return Media("url", url)
    head, comma, content = url[5:].partition(",")
    if not comma:
        raise InvalidRequest(f"A data URL without a comma at {at}.", code="invalid_value", pointer=at)
    media_type, *parameters = head.split(";")
    encoded = bool(parameters) and parameters[-1].strip().lower() == "base64"
    if parameters[: len(parameters) - encoded]:
        losses.append(Loss(at, "the parameters of the data URL's media type are dropped"))
    if not encoded:
        content = base64.b64encode(urllib.parse.unquote_to_bytes(content)).decode()
    elif "%" in content:
        content = urllib.parse.unquote(content)
    return Media("base64", standard_base64(content), media_type.strip().lower() or None)


def standard_base64(content: str) -> str:
    return content.translate(_URL_SAFE) if "-" in content or "_" in content else content


def data_url(media: Media, default: str) -> str:
    return f"data:{media.media_type or default};base64,{media.value}"


def image_part(image: Image, image_urls: bool, losses: Losses) -> ContentPart:
    """Return an image_url part. Raises InvalidRequest for an image that Chat has no way to name."""
    media = image.media
    if media.kind == "base64":
        sniffed = next((kind for head, kind in _IMAGE_HEADS.items() if media.value.startswith(head)), "image/png")
        url = data_url(media, sniffed)
        if media.media_type is None:
            losses.append(Loss(image.at, f"the media type was not given; {sniffed} is written"))
    elif media.kind == "url":
        if not image_urls:
            raise _inline(image.at, "This model takes no image URLs")
        url = media.value
    else:
        raise _inline(image.at, "An image that is a file id cannot be sent to this model")
    detail = image.detail
    if detail is not None and detail not in DETAILS:
        losses.append(Loss(image.at, f"Chat has no image detail {detail!r}"))
        detail = None
    return ContentPart("image_url", image_url=ImageUrl(url, detail))


def audio_part(audio: Audio, losses: Losses) -> ContentPart | None:
    media = audio.media
    if media.kind != "base64":
        raise _inline(audio.at, "Audio that is no base64 cannot be sent to this model")
    format_ = audio.format or _audio_format(media.media_type)
    if format_ not in ("wav", "mp3"):
        losses.append(Loss(audio.at, "Chat takes wav and mp3 only"))
        return None
    return ContentPart("input_audio", input_audio=InputAudio(media.value, format_))


def _audio_format(media_type: str | None) -> str | None:
    subtype = (media_type or "").removeprefix("audio/").removeprefix("x-")
    return {"mpeg": "mp3", "wave": "wav"}.get(subtype, subtype)


def file_part(file: File, source: str, losses: Losses) -> ContentPart:
    media = file.media
    if file.context is not None or file.citations_enabled:
        losses.append(Loss(file.at, "Chat has no context and no citations of a document"))
    if media.kind == "text":
        losses.append(Loss(file.at, "the text document becomes a text part"))
        return ContentPart("text", text=media.value)
    if media.kind == "url":
        raise _inline(file.at, "Chat takes no document URLs")
    if media.kind == "file_id":
        if source not in ("openai_chat", "openai_responses"):
            raise _inline(file.at, "A file id of another provider cannot be sent to this model")
        return ContentPart("file", file=FileContent(file_id=media.value, filename=file.filename))
    filename = file.filename
    if filename is None:
        losses.append(Loss(file.at, "Chat requires a filename; document.pdf is written"))
        filename = "document.pdf"
    if media.media_type is None:
        losses.append(Loss(file.at, "the media type was not given; application/pdf is written"))
    return ContentPart("file", file=FileContent(data_url(media, "application/pdf"), filename=filename))


def _inline(at: str, reason: str) -> InvalidRequest:
    message = f"{reason}, at {at}: inline it as a data: URL (base64)."
    return InvalidRequest(message, code="unsupported_value", pointer=at)
