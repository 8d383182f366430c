"""Where each dialect's whole answers say what no part says: for the pointers of losses, which are the source's.

Streams have no such places: what a stream's events lose is named in nobody's words.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Field: TypeAlias = Literal["choice", "stop", "sequence", "detail", "logprobs", "usage", "service_tier"]

_PLACES: dict[str, dict[Field, str]] = {
    "openai_chat": {
        "choice": "/choices/{}",
        "stop": "/choices/{}/finish_reason",
        "logprobs": "/choices/{}/logprobs",
        "usage": "/usage",
        "service_tier": "/service_tier",
    },
    "openai_responses": {
        "stop": "/incomplete_details",
        "logprobs": "/output",
        "usage": "/usage",
        "service_tier": "/service_tier",
    },
    "anthropic_messages": {
        "stop": "/stop_reason",
        "sequence": "/stop_sequence",
        "detail": "/stop_details",
        "usage": "/usage",
        "service_tier": "/usage/service_tier",
    },
    "gemini": {
        "choice": "/candidates/{}",
        "stop": "/candidates/{}/finishReason",
        "detail": "/candidates/{}/finishMessage",
        "logprobs": "/candidates/{}/logprobsResult",
        "usage": "/usageMetadata",
        "service_tier": "/usageMetadata/serviceTier",
    },
    "ollama": {"stop": "/done_reason", "logprobs": "/logprobs", "usage": "/eval_count"},
}


# In nobody's words: of streams, and of what a dialect does not have.
_OTHERWISE: dict[Field, str] = {
    "choice": "/choices/{}",
    "stop": "/stop",
    "sequence": "/stop/sequence",
    "detail": "/stop/detail",
    "logprobs": "/logprobs",
    "usage": "/usage",
    "service_tier": "/service_tier",
}


def place(source: str, field: Field, choice: int = 0) -> str:
    """Return the pointer of `field` in an answer of `source`; empty for a stream."""
    return (_PLACES.get(source, _OTHERWISE).get(field) or _OTHERWISE[field]).format(choice)


def citations_at(at: str) -> str:
    """Return the pointer of the citations of the text at `at`."""
    if at.endswith("/message/content"):
        return at.removesuffix("content") + "annotations"
    if at.startswith("/candidates/"):
        return at.partition("/content/")[0] + "/groundingMetadata"
    return at + ("/annotations" if at.startswith("/output/") else "/citations")
