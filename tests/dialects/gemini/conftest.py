from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.genai import types


@pytest.fixture(scope="session")
def valid_request() -> Callable[[bytes], dict[str, Any]]:
    """Check a body against Google's own types, which forbid what they do not know, and return it as plain JSON."""

    def check(body: bytes) -> dict[str, Any]:
        request: dict[str, Any] = json.loads(body)
        assert request.keys() <= {
            "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "store", "serviceTier",
        }  # fmt: skip
        for content in [*request["contents"], request.get("systemInstruction", {})]:
            types.Content.model_validate(content)
        for tool in request.get("tools", []):
            types.Tool.model_validate(tool)
        types.ToolConfig.model_validate(request.get("toolConfig", {}))
        types.GenerationConfig.model_validate(request.get("generationConfig", {}))
        return request

    return check
