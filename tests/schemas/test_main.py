import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from gateway_schemas.__main__ import FORMATS, main, schema

# Decoders of what is inside of a body, where it is raw; of the first look at one; and of several formats at once.
PARTS = {
    "anthropic_messages": {"message", "block", "source", "tool", "tag", "start_block"},
    "anthropic_models": set[str](),
    "gemini": {"error_detail", "errors"},
    "ollama": set[str](),
    "openai_chat": {"logprobs"},
    "openai_embeddings": {"raw_response"},
    "openai_models": set[str](),
    "openai_responses": {
        "item_head", "message", "output_item", "reasoning", "function_call", "function_call_output", "custom_call",
        "custom_call_output", "part", "function_tool", "custom_tool", "namespace_tool", "tool_name",
        "event_type",
    },
}  # fmt: skip

# Of each format with a name of its own beside request, response, event and error: a body, and one that is none.
BODIES: dict[str, tuple[Any, Any]] = {
    "anthropic_messages.count_request": ({"model": "m", "messages": []}, {"model": "m"}),
    "anthropic_messages.count_response": ({"input_tokens": 3}, {"input_tokens": "3"}),
    "anthropic_models.model": ({"type": "model", "id": "m"}, {"type": "model"}),
    "gemini.count_request": ({"contents": [{"parts": [{"text": "Hi"}]}]}, {"contents": {"parts": []}}),
    "gemini.count_response": ({"totalTokens": 3}, {"totalTokens": []}),
    "gemini.embed_request": ({"content": {"parts": [{"text": "Hi"}]}, "taskType": "CLUSTERING"}, {"taskType": "X"}),
    "gemini.batch_embed_request": ({"requests": [{"model": "models/m", "content": {}}]}, {"requests": [{}]}),
    "gemini.embed_response": ({"embedding": {"values": [0.5]}}, {"embedding": {}}),
    "gemini.models": ({"models": [{"name": "models/m"}]}, {"models": [{"version": "1"}]}),
    "gemini.model": ({"name": "models/m", "inputTokenLimit": 8}, {"inputTokenLimit": 8}),
    "ollama.generate_request": ({"model": "m", "prompt": "Hi"}, {"prompt": "Hi"}),
    "ollama.generate_response": ({"model": "m", "response": "Hi", "done": True}, {"response": ["Hi"]}),
    "ollama.generate_event": ({"model": "m", "response": "H", "done": False}, {"done": "no"}),
    "ollama.embed_request": ({"model": "m", "input": ["Hi", "Ho"]}, {"model": "m"}),
    "ollama.embed_response": ({"model": "m", "embeddings": [[0.5]]}, {"embeddings": [0.5]}),
    "ollama.tags": ({"models": [{"name": "m"}]}, {"models": [{"size": 1}]}),
    "ollama.show_request": ({"model": "m", "verbose": True}, {"model": 1}),
    "ollama.show_response": ({"template": "t", "capabilities": ["tools"]}, {"capabilities": "tools"}),
    "ollama.version": ({"version": "0.20"}, {}),
    "openai_models.model": ({"object": "model", "id": "m", "created": 1, "owned_by": "o"}, {"object": "model"}),
    "openai_models.deleted": ({"object": "model", "id": "m", "deleted": True}, {"object": "model", "id": "m"}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_valid_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("module", PARTS)
def test_every_body_that_can_be_decoded_has_a_name(module: str) -> None:
    shapes = import_module(f"gateway_schemas.{module}")
    decoders = {name.removesuffix("_decoder"): it for name, it in vars(shapes).items() if name.endswith("_decoder")}
    bodies = {shape for name, shape in FORMATS.items() if name.partition(".")[0] == module}
    assert decoders.keys() >= PARTS[module]
    assert {decoders[name].type.__name__ for name in decoders.keys() - PARTS[module]} <= bodies


def test_every_module_is_looked_into() -> None:
    assert PARTS.keys() == {name.partition(".")[0] for name in FORMATS}


def test_every_name_but_the_usual_ones_has_bodies_to_try() -> None:
    usual = ("request", "response", "event", "error")
    assert BODIES.keys() == {name for name in FORMATS if name.partition(".")[2] not in usual}


@pytest.mark.parametrize("name", BODIES)
def test_the_schema_tells_a_body_from_what_is_none(name: str) -> None:
    body, none = BODIES[name]
    validator = jsonschema.Draft202012Validator(schema(name))
    assert validator.is_valid(body)
    assert not validator.is_valid(none)


def test_the_schema_tells_a_request_from_what_is_none() -> None:
    validator = jsonschema.Draft202012Validator(schema("openai_chat.request"))
    assert validator.is_valid({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "more": 1})
    assert not validator.is_valid({"model": "m", "messages": [{"role": "user", "content": 5}]})
    assert not validator.is_valid({"messages": []})


def test_it_is_printed_from_the_command_line() -> None:
    command = [sys.executable, "-m", "gateway_schemas", "ollama.request"]
    ran = subprocess.run(command, capture_output=True, check=True)
    assert msgspec.json.decode(ran.stdout) == schema("ollama.request")


def test_without_a_known_name_the_names_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["nothing"]) == 2
    assert "anthropic_messages.request" in capsys.readouterr().err


def test_the_readme_lists_every_name() -> None:
    readme = Path(__file__).parents[2] / "schemas" / "README.md"
    rows = [row.split("|") for row in readme.read_text().splitlines() if row.startswith("| `") and "`." in row]
    listed = {
        module + name
        for _, modules, names, _ in rows
        for module in re.findall(r"`(\w+)`", modules)
        for name in re.findall(r"`(\.\w+)`", names)
    }
    assert listed == FORMATS.keys()
