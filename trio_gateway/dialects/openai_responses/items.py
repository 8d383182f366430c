"""What requests, answers and streams of Responses have in common: tokens, names, ids, annotations, counts, stops."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.answer_places import place
from trio_gateway.dialects.citations import left_out, read_citation
from trio_gateway.dialects.conversation import Loss, Losses, Stop, Token, Usage
from trio_gateway.dialects.names import NameRules
from trio_gateway.dialects.opaque import carry, recognise
from trio_gateway.dialects.wire import escape, field_names
from trio_gateway.errors import InvalidRequest

ME = "openai_responses"

NULL = msgspec.Raw(b"null")
TTLS = frozenset({"30m", "12h"})  # how long a cache may be told to live
CONTENT_TAGS = ("input_", "output_")  # how an opaque content part begins, as against an item
EMPTY_LISTS = (NULL, msgspec.Raw(b"[]"))

# ------------------------------------------------------------------------------------------------ tokens
#
# OpenAI binds `encrypted_content` to the id of its item and refuses the two apart, so our token is both:
# `rs_123:gAAAA...`. A client that keeps a foreign token for us has one place to keep it, the `encrypted_content` of a
# reasoning item; what the token was attached to is marked inside.

_REDACTED = "redacted:"  # the token is the content
_PREVIOUS = "previous:"  # it belongs to the text or call before the reasoning item, which is there only to carry it
_ALONE = "text:"  # it belongs to a text that was empty, and is no item of its own


def read_token(item_id: str | None, encrypted_content: str) -> Token:
    """Return the token that an item's `encrypted_content` stands for, with its mark if it has one."""
    token = recognise(encrypted_content, ME)
    return Token(ME, f"{item_id or ''}:{token.value}") if token.issuer == ME else token


def write_token(token: Token) -> tuple[str | None, str]:
    """Return the id that the item must have, None where it may have any, and its `encrypted_content`."""
    if token.issuer != ME:
        return None, carry(token, ME)
    item_id, _, encrypted_content = token.value.partition(":")
    return item_id or None, carry(Token(ME, encrypted_content), ME)


def mark_redacted(token: Token) -> Token:
    return token if token.issuer == ME else Token(token.issuer, _REDACTED + token.value)


def mark_previous(token: Token, *, empty: bool = False) -> Token:
    """Return the token with the mark of what it is of: what is before it, or an `empty` text."""
    return Token(token.issuer, (_ALONE if empty else _PREVIOUS) + token.value)


def unmark_redacted(token: Token) -> tuple[Token, bool]:
    """Return the token without its mark, and whether it had one."""
    if token.issuer != ME and token.value.startswith(_REDACTED):
        return Token(token.issuer, token.value[len(_REDACTED) :]), True
    return token, False


def unmark_previous(token: Token) -> Token | None:
    """Return the token for the part before it; None for a token of something else."""
    return _unmarked(token, _PREVIOUS)


def unmark_alone(token: Token) -> Token | None:
    """Return the token of an empty text; None for a token of something else."""
    return _unmarked(token, _ALONE)


def _unmarked(token: Token, mark: str) -> Token | None:
    if token.issuer == ME or not token.value.startswith(mark):
        return None
    return Token(token.issuer, token.value[len(mark) :])


# ----------------------------------------------------------------------------------------- names and ids

CALL_ID_MAX = 64
TOOL_NAMES = NameRules(
    re.compile(r"[a-zA-Z0-9_-]{1,128}\Z").match, re.compile(r"[^a-zA-Z0-9_-]"), length_max=128, namespaces=True
)


def written_name(name: str, at: str) -> str:
    """Return a tool's name, which has been made fit. Raises InvalidRequest for none."""
    if not name:
        raise InvalidRequest(f"A tool needs a name, at {at}.", code="invalid_value", pointer=at)
    return name


def carry_call_id(call_id: str) -> str:
    """Return an id of at most CALL_ID_MAX characters, the same for the same id."""
    return call_id if len(call_id) <= CALL_ID_MAX else "call_" + hashed(call_id)


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:48]


# ------------------------------------------------------------------------------------------- annotations

NO_COUNTERPART = "citations of this kind have no counterpart here"

_ANNOTATIONS = frozenset({"url_citation", "file_citation", "container_file_citation", "file_path"})


class _UrlCitation(msgspec.Struct, tag_field="type", tag="url_citation"):
    url: str
    title: str = ""
    start_index: int = 0
    end_index: int = 0


class _Annotation(msgspec.Struct):
    type: str | None = None
    url_citation: _UrlCitation | None = None  # Chat nests what Responses has flat


_annotation = msgspec.json.Decoder(_Annotation)


def annotation_of(citation: msgspec.Raw, length: int | None = None) -> msgspec.Raw | None:
    """Return a citation in the shape of Responses; None for one of a shape that has no counterpart there.

    A page that another dialect cites without a place is cited for the whole text, of `length` characters, if known.
    """
    try:
        found = _annotation.decode(citation)
        if found.type not in _ANNOTATIONS:
            return None if length is None else _page_annotation(citation, length)
        if found.url_citation is None:
            return citation
        return msgspec.Raw(wire.encode(found.url_citation))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _page_annotation(citation: msgspec.Raw, length: int) -> msgspec.Raw | None:
    page = read_citation(citation)
    if page is None or not page.is_page or page.url is None or page.title is None:
        return None
    return msgspec.Raw(wire.encode(_UrlCitation(page.url, page.title, 0, length)))


def annotations_of(
    citations: Sequence[msgspec.Raw] | None, at: str, losses: Losses, length: int | None = None
) -> list[msgspec.Raw]:
    """Return the citations of a text that have a counterpart; name the others. For `length` see annotation_of."""
    annotations = []
    for citation in citations or ():
        annotation = annotation_of(citation, length)
        if annotation is None:
            losses.append(Loss(at, NO_COUNTERPART))
            continue
        annotations.append(annotation)
        if (reason := left_out(citation, annotation)) is not None:
            losses.append(Loss(at, reason))
    return annotations


# -------------------------------------------------------------------------------------- counts and stops


def usage_of(usage: wire.Usage) -> Usage:
    before, after = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        usage.input_tokens,
        usage.output_tokens,
        before.cached_tokens if before else None,
        before.cache_write_tokens if before else None,
        after.reasoning_tokens if after else None,
    )


def wire_usage(usage: Usage | None, losses: Losses, at: str = "/usage") -> wire.Usage | None:
    """Return the counts. The format has no unknown but for all of them: a count not known is written as 0."""
    if usage is None or (usage.input is None and usage.output is None):
        return None
    if usage.input is None or usage.output is None:
        losses.append(Loss(at, "a count that is not known is written as 0"))
    before, after = usage.input or 0, usage.output or 0
    return wire.Usage(
        before,
        wire.InputTokensDetails(usage.cached or 0, usage.cache_write or 0),
        after,
        wire.OutputTokensDetails(usage.reasoning or 0),
        before + after,
    )


def stop_of(status: str, reason: str | None, has_calls: bool, has_refusal: bool) -> Stop:
    """Return why the model stopped: the format has no word for it, only the status and what there is."""
    if status == "incomplete":
        if reason == "max_output_tokens":
            return Stop("length", raw=reason)
        if reason == "content_filter":
            return Stop("refusal", raw=reason)
        return Stop("other", raw=reason or status)
    if has_refusal:
        return Stop("refusal", raw=status)
    return Stop("tool_calls" if has_calls else "stop", raw=status)


def status_of(stop: Stop | None, has_refusal: bool, losses: Losses, source: str = "") -> tuple[str, str | None]:
    """Return the status, and the reason of an incomplete one. `source` is for the pointers of losses."""
    if stop is None:
        losses.append(Loss(place(source, "stop"), "the source does not say why the model stopped"))
        return "completed", None
    if stop.sequence is not None or stop.reason == "stop_sequence":
        losses.append(Loss(place(source, "sequence"), "which stop sequence matched has no place here"))
    if stop.detail is not None:
        losses.append(Loss(place(source, "detail"), "why the model stopped is not explained here"))
    match stop.reason:
        case "length" | "context_window":
            if stop.reason != "length":
                losses.append(Loss(place(source, "stop"), "a full context is told as the limit of output"))
            return "incomplete", "max_output_tokens"
        case "refusal":
            # A refusal part says it by itself; without one the answer was cut off.
            return ("completed", None) if has_refusal else ("incomplete", "content_filter")
        case "pause" | "error" | "other":
            losses.append(Loss(place(source, "stop"), f"{stop.raw or stop.reason!r} has no counterpart here"))
    return "completed", None


# ---------------------------------------------------------------------------------------------- the rest

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def unread_members(
    raw: msgspec.Raw | bytes,
    carried: frozenset[str],
    shape: type[msgspec.Struct],
    at: str,
    losses: Losses,
    defaults: Mapping[str, Sequence[msgspec.Raw]] = {},
) -> dict[str, msgspec.Raw]:
    """Add a loss for each member of an object that is not `carried`, is not null and not its default.

    Returns the members. `raw` must be an object that has been decoded before: this isn't expected to raise.
    """
    members = _members.decode(raw)
    if members.keys() <= carried:
        return members
    known = field_names(shape)
    for name, value in members.items():
        if name in carried or value == NULL or value in defaults.get(name, ()):
            continue
        reason = "has no counterpart in other dialects" if name in known else "unknown to this gateway"
        losses.append(Loss(f"{at}/{escape(name)}", reason))
    return members


def given(raw: msgspec.Raw | msgspec.UnsetType) -> msgspec.Raw | None:
    """Return a member's raw JSON; None where it is absent or null."""
    return None if raw is msgspec.UNSET or raw == NULL else raw
