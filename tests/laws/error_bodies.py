"""Errors as providers write them, and as those do who stand in front of providers: members missing, null, or of
another type, a bare text, a page of HTML."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st
from values import dumps

statuses = st.sampled_from((400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504, 529))
messages = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=40)


class ErrorBody(NamedTuple):
    """A body, and what it says went wrong: None where it says nothing."""

    body: bytes
    message: str | None


_words = st.sampled_from(
    (
        "server_error",
        "rate_limit_error",
        "insufficient_quota",
        "overloaded_error",
        "invalid_request_error",
        "brand_new",
        "",
    )
)
_codes = st.sampled_from(("model_not_found", "insufficient_quota", "429", "brand_new", "")) | st.integers(0, 599)
_nothing = st.none()

# The members beside the message.
_BESIDES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "openai_chat": {"type": _words, "code": _codes, "param": st.just("messages[0]")},
    "openai_responses": {"type": _words, "code": _codes, "param": st.just("input[0]")},
    "anthropic_messages": {"type": _words, "code": _codes, "details": st.just({"error_code": 7})},
    "gemini": {
        "code": st.integers(0, 599) | st.just("503"),
        "status": st.sampled_from(("UNAVAILABLE", "INVALID_ARGUMENT", "BRAND_NEW", "")),
        "details": st.sampled_from(
            ([], [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "A"}], [{"a": 1}], [None])
        ),
    },
    "ollama": {"type": _words, "code": _codes},
}
_PAGES = (
    "<html>\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>Bad Gateway</h1></body></html>",
    "upstream connect error or disconnect/reset before headers: Bad Gateway",
)


@st.composite
def error_bodies(draw: st.DrawFn, name: str) -> ErrorBody:
    """Draw the body of an error of a server that speaks, more or less, the dialect `name`."""
    form = draw(st.sampled_from(("object", "object", "object", "object", "text", "page", "empty", "alone")))
    if form == "page":
        return ErrorBody(draw(st.sampled_from(_PAGES)).encode(), "Bad Gateway")
    if form == "empty":
        return ErrorBody(draw(st.sampled_from((b"", b"{}", b"null", b"[]", b'{"error":null}', b'{"error":{}}'))), None)
    message = draw(messages)
    if form == "alone":
        return ErrorBody(dumps(message), message)
    if form == "text":
        return ErrorBody(dumps({"error": message}), message)
    besides = {member: strategy | _nothing for member, strategy in _BESIDES[name].items()}
    error = draw(st.fixed_dictionaries({}, optional={"message": st.just(message) | _nothing, **besides}))
    outer = draw(st.sampled_from(({}, {"type": "error"}, {"type": None, "request_id": None})))
    body = dumps({**outer, "error": error})
    if name == "gemini" and draw(st.booleans()):
        body = b"[" + body + b"]"
    return ErrorBody(body, error.get("message"))
