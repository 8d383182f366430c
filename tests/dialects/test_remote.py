"""Which media a target has to be given as bytes."""

from __future__ import annotations

import pytest

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Audio, Conversation, File, Image, Media, Part, Text, ToolResult, Turn
from trio_gateway.dialects.remote import remote_media, with_media

URL = "https://a.test/x"
FETCHES = Capabilities(image_urls=True)
CANNOT = Capabilities(image_urls=False)
BYTES = Media("base64", "AAAA", "image/png")


def talk(*parts: Part) -> Conversation:
    return Conversation(source="test", model="m", turns=[Turn("user", [Text("Look."), *parts])])


@pytest.mark.parametrize(
    ("part", "target", "can", "wanted"),
    [
        (Image(Media("url", URL)), "ollama", CANNOT, True),
        (Image(Media("url", URL)), "gemini", CANNOT, True),
        (Image(Media("url", URL)), "openai_chat", FETCHES, False),
        (Image(Media("url", URL)), "ollama", Capabilities(image_urls=False, images=False), False),
        (Image(Media("url", "gs://bucket/x")), "gemini", CANNOT, False),
        (Image(Media("base64", "AAAA")), "ollama", CANNOT, False),
        (File(Media("url", URL)), "openai_chat", FETCHES, True),
        (File(Media("url", URL)), "openai_responses", FETCHES, False),
        (File(Media("url", URL)), "anthropic_messages", FETCHES, False),
        (File(Media("url", URL)), "gemini", CANNOT, True),
        (File(Media("url", "https://www.youtube.com/watch?v=1")), "gemini", CANNOT, False),
        (File(Media("url", URL)), "ollama", Capabilities(image_urls=False, files=False), False),
        (Audio(Media("url", URL)), "openai_chat", FETCHES, True),
    ],
)
def test_bytes_are_wanted_where_the_target_takes_the_medium_and_no_url(
    part: Part, target: str, can: Capabilities, wanted: bool
) -> None:
    assert bool(remote_media(talk(part), target, can)) is wanted


def test_a_url_is_fetched_once_wherever_it_stands_and_put_everywhere() -> None:
    conversation = talk(Image(Media("url", URL), at="/a"), ToolResult("1", [Image(Media("url", URL), at="/b")]))
    (remote,) = remote_media(conversation, "ollama", CANNOT)
    assert (remote.url, remote.at, remote.kind) == (URL, "/a", "image")
    filled = with_media(conversation, {URL: BYTES}, "ollama", CANNOT)
    _, image, result = filled.turns[0].parts
    assert isinstance(image, Image)
    assert isinstance(result, ToolResult)
    assert (image.media, image.at) == (BYTES, "/a")
    assert result.parts == [Image(BYTES, at="/b")]
    assert remote_media(filled, "ollama", CANNOT) == []


def test_the_conversation_given_is_not_changed() -> None:
    image = Image(Media("url", URL))
    conversation = talk(image)
    assert with_media(conversation, {}, "ollama", CANNOT) is conversation
    assert with_media(conversation, {URL: BYTES}, "openai_chat", FETCHES) is conversation, "it fetches by itself"
    with_media(conversation, {URL: BYTES}, "ollama", CANNOT)
    assert image.media.kind == "url"
