"""Where the members of a node stand, in each dialect's own words.

A node has one pointer, `at`. What falls is often less than the node: the detail of an image, a call's signature. The
loss must then name that member and nothing else, for whoever reads the losses takes all that one of them names to
be gone. The neutral model's words for members are translated here, for every dialect that can be the source.
"""

from __future__ import annotations

from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    Loss,
    Losses,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
)

# Behind a node's own pointer. A member that is not listed is not told from its node.
_MEMBERS: dict[str, dict[str, str]] = {
    "openai_chat": {
        "detail": "/image_url/detail",
        "filename": "/file/filename",
        "tool_name": "/name",
        "strict": "/function/strict",
        "parameters": "/function/parameters",
        "format": "/custom/format",
        "output.schema": "/json_schema/schema",
        "choice.required": "/allowed_tools/mode",
        "output.name": "/json_schema/name",
        "output.strict": "/json_schema/strict",
        "output.description": "/json_schema/description",
        "token": "/signature",
        "redacted": "/data",
        "item_id": "/id",
        "call.token": "/extra_content/google/thought_signature",
        "call.id": "/id",
        "result.id": "/tool_call_id",
        "arguments": "/function/arguments",
    },
    "openai_responses": {
        "choice.required": "/mode",
        "detail": "/detail",
        "filename": "/filename",
        "citations": "/annotations",
        "tool_name": "/name",
        "strict": "/strict",
        "parameters": "/parameters",
        "format": "/format",
        "item_id": "/id",
        "output.schema": "/schema",
        "output.name": "/name",
        "output.strict": "/strict",
        "output.description": "/description",
        "token": "/encrypted_content",
        "redacted": "/encrypted_content",
        "show": "/summary",
        "effort": "/effort",
        "call.id": "/call_id",
        "result.id": "/call_id",
        "arguments": "/arguments",
    },
    "anthropic_messages": {
        "filename": "/title",
        "context": "/context",
        "citations": "/citations",
        "citations_enabled": "/citations",
        "is_error": "/is_error",
        "strict": "/strict",
        "parameters": "/input_schema",
        "output.schema": "/schema",
        "token": "/signature",
        "redacted": "/data",
        "show": "/display",
        "budget_tokens": "/budget_tokens",
        "mode": "/type",
        "call.id": "/id",
        "result.id": "/tool_use_id",
        "arguments": "/input",
    },
    "gemini": {
        "choice.required": "/mode",
        "tool_name": "/functionResponse/name",
        "is_error": "/functionResponse/response/error",
        "parameters": "/parametersJsonSchema",
        "token": "/thoughtSignature",
        "redacted": "/thoughtSignature",
        "call.token": "/thoughtSignature",
        "show": "/includeThoughts",
        "budget_tokens": "/thinkingBudget",
        "effort": "/thinkingLevel",
        "call.id": "/functionCall/id",
        "result.id": "/functionResponse/id",
        "arguments": "/functionCall/args",
    },
    "ollama": {
        "tool_name": "/tool_name",
        "parameters": "/function/parameters",
        "call.id": "/id",
        "result.id": "/tool_call_id",
        "arguments": "/function/arguments",
    },
}


def member(source: str, at: str, name: str) -> str:
    """Return the pointer of the member `name` of the node at `at`, read from the dialect `source`."""
    found = _MEMBERS.get(source, {}).get(name, "")
    if at.startswith("/functions/"):  # Chat's legacy ones, which are what a tool's `function` holds
        found = found.removeprefix("/function")
    return at + found


def has_member(source: str, name: str) -> bool:
    """Say whether the dialect `source` has a member of its own for what the neutral model calls `name`."""
    return name in _MEMBERS.get(source, {})


def citations_at(source: str, at: str) -> str:
    """Return the pointer of the citations of the text at `at`. Those of Chat are the message's."""
    if source == "openai_chat":
        return "/".join(at.split("/")[:3]) + "/annotations"
    return member(source, at, "citations")


def token_at(source: str, part: Text | Reasoning | ToolCall) -> str:
    """Return the pointer of the part's token, which may have come in a carrier of its own."""
    if part.token_at:
        return part.token_at
    if isinstance(part, ToolCall):
        return member(source, part.at, "call.token")
    return member(source, part.at, "redacted" if isinstance(part, Reasoning) and part.redacted else "token")


def required_at(source: str, choice: ToolChoice) -> str:
    """Return the pointer of what says that a tool has to be called: of those that are allowed, a member apart."""
    return member(source, choice.at, "choice.required") if choice.mode == "allowed" else choice.at


def untaken_tools(conversation: Conversation) -> Losses:
    """Return the losses of a model that takes no tools. Those in a namespace fall with it, and so does its name."""
    found = [tool.at for tool in conversation.tools]
    if conversation.source == "openai_responses":
        found = list(dict.fromkeys("/".join(at.split("/")[:3]) for at in found))
    return [Loss(at, "this model takes no tools") for at in found]


def as_written(conversation: Conversation, losses: Losses) -> Losses:
    """Return the losses with the pointers of all that they are about, as the client spelled them."""
    if conversation.joined:
        losses = [each for loss in losses for each in _of_all_pieces(loss, conversation.joined)]
    if conversation.spelled:
        losses = [Loss(respell(loss.pointer, conversation.spelled), loss.reason) for loss in losses]
    return losses


def _of_all_pieces(loss: Loss, joined: dict[str, list[str]]) -> Losses:
    return [loss, *(Loss(at, loss.reason) for at in joined.get(loss.pointer, ()))]


def respell(pointer: str, spelled: dict[str, str]) -> str:
    """Return a pointer as the client spelled it; `spelled` as in Conversation."""
    known, rest = pointer, ""
    while known and known not in spelled:
        known, slash, step = known.rpartition("/")
        rest = slash + step + rest
    return spelled.get(known, known) + rest


def mark_at(mark: CacheMark, at: str) -> str:
    """Return the pointer of the mark of the node at `at`."""
    return mark.at or at
