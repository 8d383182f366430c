import subprocess
import sys

import jsonschema
import msgspec
import pytest

from gateway_schemas.__main__ import FORMATS, main, schema


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_valid_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


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
