"""Images, audio and files between Chat's content parts and the neutral ones."""

from __future__ import annotations

from gateway_schemas.openai_chat import ContentPart, FileContent, ImageUrl, InputAudio
from trio_gateway.dialects.conversation import Audio, File, Image, Loss, Losses
from trio_gateway.dialects.media import data_url, image_type_of_base64, media_type_of_base64, not_inlined
from trio_gateway.dialects.members import member

_PDF = "application/pdf"

DETAILS = frozenset({"auto", "low", "high", "original"})


def image_part(image: Image, source: str, image_urls: bool, losses: Losses) -> ContentPart:
    """Return an image_url part. Raises InvalidRequest for an image that Chat has no way to name."""
    media = image.media
    if media.kind == "base64":
        media_type = media.media_type or image_type_of_base64(media.value)
        if media_type is None:
            losses.append(Loss(image.at, "the media type is not known; image/png is written"))
        url = data_url(media_type or "image/png", media.value)
    elif media.kind == "url":
        if not image_urls:
            raise not_inlined("This model takes no image URLs", image.at)
        url = media.value
    else:
        raise not_inlined("An image that is a file id cannot be sent to this model", image.at)
    detail = image.detail
    if detail is not None and detail not in DETAILS:
        losses.append(Loss(member(source, image.at, "detail"), f"Chat has no image detail {detail!r}"))
        detail = None
    return ContentPart("image_url", image_url=ImageUrl(url, detail))


def audio_part(audio: Audio, losses: Losses) -> ContentPart | None:
    media = audio.media
    if media.kind != "base64":
        raise not_inlined("Audio that is no base64 cannot be sent to this model", audio.at)
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
    if file.context is not None:
        losses.append(Loss(member(source, file.at, "context"), "Chat has no context of a document"))
    if file.citations_enabled:
        losses.append(Loss(member(source, file.at, "citations_enabled"), "Chat has no citations of a document"))
    if media.kind == "text":
        losses.append(Loss(file.at, "the text document becomes a text part"))
        if file.filename is not None:
            losses.append(Loss(member(source, file.at, "filename"), "a text part has no name"))
        return ContentPart("text", text=media.value)
    if media.kind == "url":
        raise not_inlined("Chat takes no document URLs", file.at)
    if media.kind == "file_id":
        if source not in ("openai_chat", "openai_responses"):
            raise not_inlined("A file id of another provider cannot be sent to this model", file.at)
        return ContentPart("file", file=FileContent(file_id=media.value, filename=file.filename))
    filename = file.filename
    if filename is None:
        losses.append(Loss(file.at, "Chat requires a filename; document.pdf is written"))
        filename = "document.pdf"
    media_type = media.media_type or media_type_of_base64(media.value)
    if media_type is None:
        losses.append(Loss(file.at, "the media type is not known; application/pdf is written"))
    return ContentPart("file", file=FileContent(data_url(media_type or _PDF, media.value), filename=filename))
