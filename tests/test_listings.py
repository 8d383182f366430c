from __future__ import annotations

import json
from typing import Any

import pytest

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.listings import OLLAMA_VERSION, list_models, one_model, show_model, version

LISTS = {"openai_chat": "data", "anthropic_messages": "data", "gemini": "models", "ollama": "models"}
NAMES = {"fast": "openai", "deep": "anthropic"}


def listed(dialect: str, names: dict[str, str] = NAMES) -> Any:
    return json.loads(list_models(dialect, names))


def test_openai_s_list_says_whose_each_model_is() -> None:
    found = listed("openai_chat")
    assert found["object"] == "list"
    assert [(model["id"], model["object"], model["owned_by"]) for model in found["data"]] == [
        ("fast", "model", "openai"),
        ("deep", "model", "anthropic"),
    ]


def test_anthropic_s_list_is_one_page() -> None:
    found = listed("anthropic_messages")
    assert [model["id"] for model in found["data"]] == ["fast", "deep"]
    assert (found["first_id"], found["last_id"], found["has_more"]) == ("fast", "deep", False)


def test_anthropic_s_list_is_the_page_that_was_asked_for() -> None:
    found = json.loads(list_models("anthropic_messages", NAMES, {"limit": "1"}))
    assert [model["id"] for model in found["data"]] == ["fast"]
    assert (found["first_id"], found["last_id"], found["has_more"]) == ("fast", "fast", True)


def test_gemini_s_list_says_how_to_go_on() -> None:
    first = json.loads(list_models("gemini", NAMES, {"pageSize": "1"}))
    assert [model["name"] for model in first["models"]] == ["models/fast"]
    last = json.loads(list_models("gemini", NAMES, {"pageSize": "1", "pageToken": first["nextPageToken"]}))
    assert [model["name"] for model in last["models"]] == ["models/deep"]
    assert "nextPageToken" not in last


@pytest.mark.parametrize("dialect", ["openai_chat", "ollama"])
def test_a_list_without_pages_is_whole(dialect: str) -> None:
    assert list_models(dialect, NAMES, {"limit": "1", "pageSize": "1"}) == list_models(dialect, NAMES)


def test_gemini_s_names_are_resources() -> None:
    assert [model["name"] for model in listed("gemini")["models"]] == ["models/fast", "models/deep"]


def test_ollama_s_list_has_both_of_its_names() -> None:
    assert [(model["name"], model["model"]) for model in listed("ollama")["models"]] == [
        ("fast", "fast"),
        ("deep", "deep"),
    ]


@pytest.mark.parametrize(
    ("dialect", "key"),
    [("openai_chat", "data"), ("anthropic_messages", "data"), ("gemini", "models"), ("ollama", "models")],
)
def test_no_models_are_an_empty_list(dialect: str, key: str) -> None:
    assert listed(dialect, {})[key] == []


def test_an_empty_page_of_anthropic_s_has_no_first_and_no_last() -> None:
    found = listed("anthropic_messages", {})
    assert (found["first_id"], found["last_id"]) == (None, None)


@pytest.mark.parametrize(
    ("dialect", "key"), [("openai_chat", "data"), ("anthropic_messages", "data"), ("gemini", "models")]
)
def test_one_model_is_told_as_it_is_listed(dialect: str, key: str) -> None:
    for at, (name, channel) in enumerate(NAMES.items()):
        assert json.loads(one_model(dialect, name, channel)) == listed(dialect)[LISTS[dialect]][at]


@pytest.mark.parametrize(
    ("can", "shown"),
    [
        (Capabilities(tools=False, images=False, efforts=frozenset()), ["completion"]),
        (Capabilities(tools=False, images=False, efforts=frozenset({"none"})), ["completion"]),
        (
            Capabilities(tools=True, images=True, efforts=frozenset({"none", "low"})),
            ["completion", "tools", "vision", "thinking"],
        ),
    ],
)
def test_ollama_s_clients_are_shown_what_a_model_can_do(can: Capabilities, shown: list[str]) -> None:
    assert json.loads(show_model(can))["capabilities"] == shown


def test_the_version_is_that_of_the_api_that_is_spoken() -> None:
    assert json.loads(version()) == {"version": OLLAMA_VERSION}
