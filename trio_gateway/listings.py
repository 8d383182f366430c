"""The models that can be asked for, told in the shape of each API. Pure.

What the gateway does not know of a model (its size, when it was made) is left out, or is the API's word for unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from gateway_schemas import anthropic_models, gemini, ollama, openai_models
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.pages import anthropic_page, gemini_page

OLLAMA_VERSION = "0.14.0"  # whose API is spoken here: clients ask before they use what came late
_NO_QUERY: Mapping[str, str] = {}
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"


def list_models(dialect: str, names: Mapping[str, str], query: Mapping[str, str] = _NO_QUERY) -> bytes:
    """Return the body that lists `names`, each with the channel that serves it: the page that `query` asks for.

    Raises InvalidRequest for a page that there is not. OpenAI's and Ollama's lists have no pages.
    """
    if dialect == "anthropic_messages":
        page = anthropic_page([*names], query)
        infos = [_anthropic(name) for name in page.names]
        first, last = (infos[0].id, infos[-1].id) if infos else (None, None)
        return anthropic_models.encode(anthropic_models.ModelList(infos, page.more, first, last))
    if dialect == "gemini":
        page, token = gemini_page([*names], query)
        return gemini.encode(
            gemini.ModelList([_gemini(name) for name in page.names], UNSET if token is None else token)
        )
    if dialect == "ollama":
        return ollama.encode(ollama.TagsResponse([_ollama(name) for name in names]))
    models = [_openai(name, channel) for name, channel in names.items()]
    return openai_models.encode(openai_models.ModelList(data=models))


def one_model(dialect: str, name: str, channel: str) -> bytes:
    """Return the body that tells of one model."""
    if dialect == "anthropic_messages":
        return anthropic_models.encode(_anthropic(name))
    if dialect == "gemini":
        return gemini.encode(_gemini(name))
    return openai_models.encode(_openai(name, channel))


def show_model(can: Capabilities) -> bytes:
    """Return what /api/show tells of a model."""
    abilities = {"tools": can.tools, "vision": can.images, "thinking": bool(can.efforts - {"none"})}
    shown = ollama.ShowResponse(
        details=_details(),
        model_info={},
        capabilities=["completion", *(name for name, has in abilities.items() if has)],
        modified_at=_UNKNOWN_TIME,
    )
    return ollama.encode(shown)


def version() -> bytes:
    """Return what /api/version tells."""
    return ollama.encode(ollama.VersionResponse(OLLAMA_VERSION))


def _openai(name: str, channel: str) -> openai_models.Model:
    return openai_models.Model(id=name, created=0, owned_by=channel)


def _anthropic(name: str) -> anthropic_models.ModelInfo:
    return anthropic_models.ModelInfo(id=name, display_name=name, created_at=_UNKNOWN_TIME, lifecycle="active")


def _gemini(name: str) -> gemini.Model:
    methods = ["generateContent", "countTokens"]
    return gemini.Model(name=f"models/{name}", display_name=name, supported_generation_methods=methods)


def _ollama(name: str) -> ollama.ModelSummary:
    return ollama.ModelSummary(
        name=name, model=name, modified_at=_UNKNOWN_TIME, size=0, digest="", details=_details()
    )  # fmt: skip


def _details() -> ollama.ModelDetails:
    return ollama.ModelDetails(
        parent_model="", format="", family="", families=[], parameter_size="", quantization_level=""
    )
