import pytest

from trio_gateway.config import ChannelConfig
from trio_gateway.routing.providers import address, for_model, headers
from trio_gateway.secrets import Secret


@pytest.mark.parametrize(
    ("config", "origin", "chat"),
    [
        (ChannelConfig(provider="openai"), "https://api.openai.com", "/v1/chat/completions"),
        (ChannelConfig(provider="anthropic"), "https://api.anthropic.com", "/v1/messages"),
        (ChannelConfig(provider="ollama"), "http://127.0.0.1:11434", "/api/chat"),
        (ChannelConfig(provider="openai", base_url="http://h:1/a/v1/"), "http://h:1", "/a/v1/chat/completions"),
        (ChannelConfig(provider="openai_compatible", base_url="https://h/v1"), "https://h", "/v1/chat/completions"),
        (ChannelConfig(provider="anthropic", base_url="https://h/proxy"), "https://h", "/proxy/v1/messages"),
        (ChannelConfig(provider="ollama", base_url="http://h:2"), "http://h:2", "/api/chat"),
    ],
)
def test_a_base_url_means_what_it_means_in_the_vendors_sdk(config: ChannelConfig, origin: str, chat: str) -> None:
    where = address(config)
    assert (where.origin, where.chat) == (origin, chat)


def test_gemini_has_the_model_in_its_path_escaped() -> None:
    where = address(ChannelConfig(provider="gemini"))
    assert for_model(where.chat, "a/b c") == "/v1beta/models/a%2Fb%20c:generateContent"
    assert where.stream.endswith(":streamGenerateContent?alt=sse")


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("openai", (b"authorization", b"Bearer k")),
        ("openai_compatible", (b"authorization", b"Bearer k")),
        ("anthropic", (b"x-api-key", b"k")),
        ("gemini", (b"x-goog-api-key", b"k")),
        ("ollama", (b"authorization", b"Bearer k")),
    ],
)
def test_each_provider_takes_its_key_in_its_own_header(provider: str, expected: tuple[bytes, bytes]) -> None:
    config = ChannelConfig(provider=provider)  # type: ignore[arg-type]  # a parametrized literal
    assert expected in headers(config, "h", Secret("k"))


def test_anthropic_is_told_the_api_version() -> None:
    assert (b"anthropic-version", b"2023-06-01") in headers(ChannelConfig(provider="anthropic"), "h", None)
    newer = ChannelConfig(provider="anthropic", api_version="2026-10-21")
    assert (b"anthropic-version", b"2026-10-21") in headers(newer, "h", None)


def test_an_older_endpoint_is_where_its_provider_has_it() -> None:
    assert address(ChannelConfig(provider="ollama", base_url="http://h/p")).older == {
        "ollama_generate": "/p/api/generate"
    }
    assert address(ChannelConfig(provider="openai_compatible", base_url="http://h/v1")).older == {
        "openai_completions": "/v1/completions"
    }
    assert address(ChannelConfig(provider="anthropic")).older == {}
