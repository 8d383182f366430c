"""From the environment to a configuration: where Ollama is looked for."""

from __future__ import annotations

import pytest

from trio_gateway.errors import ConfigError
from trio_gateway.startup import ollama_base_url


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":5678", "http://127.0.0.1:5678"),
        ("models.example:5678/", "http://models.example:5678"),
        ("models.example/path/", "http://models.example:11434/path"),
        ("http://models.example", "http://models.example"),
        ("https://models.example/path", "https://models.example/path"),
        ("[::1]", "http://[::1]:11434"),
        ("http://[::1]:5678", "http://[::1]:5678"),
    ],
)
def test_ollama_is_where_its_own_clients_would_look(given: str, read: str) -> None:
    assert ollama_base_url({"OLLAMA_HOST": given}) == read


@pytest.mark.parametrize("given", ["ftp://x", "x:port", "x:99999", "[::1"])
def test_a_host_that_is_none_is_one_problem(given: str) -> None:
    with pytest.raises(ConfigError, match="OLLAMA_HOST: must be"):
        ollama_base_url({"OLLAMA_HOST": given})
