from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.ollama.images import media_type_of, standard


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x20ftypavif", "image/avif"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("rest", [b"", bytes(100)])
def test_an_image_is_known_by_its_first_bytes(head: bytes, media_type: str | None, rest: bytes) -> None:
    assert media_type_of(base64.b64encode(head + rest).decode()) == media_type


@given(st.text())
def test_what_is_no_base64_has_no_media_type(value: str) -> None:
    media_type_of(value)


@given(st.binary())
def test_any_spelling_of_base64_becomes_the_standard_one(content: bytes) -> None:
    written = base64.b64encode(content).decode()
    assert standard(written) == written
    assert standard(base64.urlsafe_b64encode(content).decode().rstrip("=")) == written
