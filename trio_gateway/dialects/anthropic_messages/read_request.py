"""A client's request, read into a Conversation.

Each node (the body, a message, a block, a tool, ...) is decoded by itself, first by a strict twin of its struct that
refuses unknown members. Nearly always that succeeds, and nothing is left to look for. Where it fails, the lenient
struct decides whether the node is wrong, and its unknown members are listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.anthropic_messages.names import recognise_id
from trio_gateway.dialects.anthropic_messages.nodes import (
    BLOCKS,
    CACHE,
    CITATIONS,
    FORMAT,
    HOSTED,
    MESSAGE,
    METADATA,
    OUTPUT,
    ROOT,
    SOURCES,
    TAG,
    TEXT,
    THINKING,
    TOOL,
    TOOL_CHOICE,
    decode_block,
)
from trio_gateway.dialects.anthropic_messages.quotations import QUOTED, lay_out, read_quotation
from trio_gateway.dialects.arguments import unwrap
from trio_gateway.dialects.capabilities import EFFORT_BUDGETS, effort_of_budget
from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    File,
    Image,
    Loss,
    Losses,
    Media,
    Opaque,
    OutputFormat,
    Part,
    Reasoning,
    ReasoningRequest,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.names import recognise_name
from trio_gateway.dialects.opaque import recognise
from trio_gateway.dialects.wire import BAD_BODY, NULL, check_text, invalid, present, read_request, wrong
from trio_gateway.errors import InvalidRequest

NAME: Final = "anthropic_messages"

_NO_COUNTERPART = "has no counterpart in other formats"

_UNMODELLED = (
    "container", "diagnostics", "inference_geo", "user_profile_id", "billing_policy", "compaction",
    "context_management", "fallback_credit_token", "fallbacks", "mcp_servers", "output_format", "prefill",
)  # fmt: skip

# Where the fields of a Conversation that have another name there stood in the request. Shared, and never changed.
_POINTERS = {
    "max_output_tokens": "/max_tokens",
    "stop": "/stop_sequences",
    "user": "/metadata/user_id",
    "parallel_tool_calls": "/tool_choice/disable_parallel_tool_use",
    "cache": "/cache_control",
    "turns": "/messages",
}


def decode_request(body: bytes) -> Conversation:
    """Read a body. Raises InvalidRequest, pointing at the field, for one that the API refuses as well."""
    unread: Losses = []
    try:
        check_text(body)
    except UnicodeDecodeError as error:
        raise invalid(error) from error
    root = ROOT.read(body, "", unread)
    if root.max_tokens < 0:
        raise wrong("max_tokens cannot be negative.", "/max_tokens")
    if not root.messages:
        raise wrong("messages needs at least one message.", "/messages")
    reader = _Reader(unread)
    choice, parallel = reader.tool_choice(root.tool_choice)
    reasoning, output = reader.thinking(root.thinking, root.output_config)
    conversation = Conversation(
        source=NAME,
        model=root.model,
        turns=reader.turns(root),
        tools=[reader.tool(raw, f"/tools/{i}") for i, raw in enumerate(root.tools)] if root.tools else [],
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_output_tokens=root.max_tokens,
        temperature=_given(root.temperature),
        top_p=_given(root.top_p),
        top_k=_given(root.top_k),
        stop=_given(root.stop_sequences) or None,
        reasoning=reasoning,
        output=output,
        user=reader.user(root.metadata),
        service_tier=_TIERS.get(tier, tier) if (tier := _given(root.service_tier)) else None,
        cache=reader.cache(root.cache_control, ""),
        stream=root.stream is True,
        pointers=_POINTERS,
        joined=reader.joined,
        unread=unread,
    )
    for _ in present(root, ("thread",)):
        raise InvalidRequest(
            "A thread is kept by Anthropic alone: for this model, send the whole conversation in messages.",
            code="thread_unsupported_request",  # what Anthropic's own clients know how to go on without
            pointer="/thread",
        )
    for name, _ in present(root, _UNMODELLED):
        unread.append(Loss(f"/{name}", _NO_COUNTERPART))
    if _given(root.speed) not in (None, "standard"):
        unread.append(Loss("/speed", _NO_COUNTERPART))
    return conversation


_TIERS = {"standard_only": "default"}  # OpenAI's word for no priority capacity

T = TypeVar("T")


def _given(value: T | UnsetType | None) -> T | None:
    if value is UNSET or value is None or value == NULL:
        return None
    return value


def _plain(raw: Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except BAD_BODY:  # a number that is out of range, say: not a default in any case
        return None


class _Reader:
    """Reads the parts of one request; what it cannot carry goes to `unread`."""

    __slots__ = ("custom_calls", "joined", "unread")

    def __init__(self, unread: Losses) -> None:
        self.unread = unread
        self.joined: dict[str, list[str]] = {}  # as in Conversation
        self.custom_calls: set[str] = set()

    # -- turns

    def turns(self, root: wire_shapes.MessagesRequest) -> list[Turn]:
        turns: list[Turn] = []
        if root.system:
            turns.append(Turn("system", self.texts(root.system, "/system"), "/system"))
        for i, raw in enumerate(root.messages):
            at = f"/messages/{i}"
            message = MESSAGE.read(raw, at, self.unread)
            if message.role == "user":
                turns += self.user_turns(message.content, at)
            elif message.role == "assistant":
                turns.append(Turn("assistant", self.assistant_parts(message.content, at), at))
            elif message.role == "system":
                turns.append(Turn("system", self.texts(message.content, at + "/content"), at))
            else:
                raise wrong("role must be user, assistant or system.", at + "/role")
        return turns

    def texts(self, content: str | list[Raw], at: str) -> list[Part]:
        if isinstance(content, str):
            return [Text(content, at)] if content else []
        return [self.text(TEXT.read(raw, f"{at}/{i}", self.unread), raw, f"{at}/{i}") for i, raw in enumerate(content)]

    def user_turns(self, content: str | list[Raw], at: str) -> list[Turn]:
        """Tool results come first, whatever their place: the API itself takes no other order."""
        if isinstance(content, str):
            return [Turn("user", [Text(content, at + "/content")] if content else [], at)]
        results: list[Part] = []
        rest: list[Part] = []
        for i, raw in enumerate(content):
            part = self.block(raw, f"{at}/content/{i}")
            if type(part) is ToolResult:
                results.append(part)
            elif type(part) is ToolCall or type(part) is Reasoning:
                raise wrong("A user message takes neither tool_use nor thinking.", f"{at}/content/{i}")
            elif type(part) is Opaque and part.tag in QUOTED:
                rest += self.quoted(part)
            else:
                rest.append(part)
        turns = [Turn("tool", results, at)] if results else []
        if rest or not results:
            turns.append(Turn("user", rest, at))
        return turns

    def assistant_parts(self, content: str | list[Raw], at: str) -> list[Part]:
        if isinstance(content, str):
            return [Text(content, at + "/content")] if content else []
        parts: list[Part] = []
        for i, raw in enumerate(content):
            part = self.block(raw, f"{at}/content/{i}")
            if type(part) is ToolResult:
                raise wrong("tool_result belongs in a user message.", f"{at}/content/{i}")
            if type(part) is Reasoning and parts and _is_carrier(part):
                last = parts[-1]
                if type(last) is ToolCall or type(last) is Text:
                    if last.token is None:
                        last.token, last.token_at = part.token, part.at
                    else:  # of an empty text after it, which is no block
                        parts.append(Text("", part.at, token=part.token, token_at=part.at))
                    continue
            parts.append(part)
        return parts

    # -- blocks

    def block(self, raw: Raw, at: str) -> Part:
        try:
            block = decode_block(raw)
        except BAD_BODY:
            tag = read_request(TAG, bytes(raw), at).type
            node = BLOCKS.get(tag)
            if node is None:
                return Opaque(NAME, tag, raw, at)
            block = node.read_leniently(raw, at, self.unread)
        return _READ_BLOCK[type(block)](self, block, raw, at)

    def text(self, block: wire_shapes.TextBlock, _raw: Raw, at: str) -> Part:
        return Text(block.text, at, self.cache(block.cache_control, at), _given(block.citations) or None)

    def image(self, block: wire_shapes.ImageBlock, raw: Raw, at: str) -> Part:
        media = self.media(block.source, at + "/source")
        if media is None or media.kind == "text":
            return Opaque(NAME, "image", raw, at)
        wanted = _given(block.transformations)
        if wanted is not None and _plain(wanted) not in ({}, {"oversized_image": "downsize"}):
            self.unread.append(Loss(at + "/transformations", _NO_COUNTERPART))
        return Image(media, at, cache=self.cache(block.cache_control, at))

    def document(self, block: wire_shapes.DocumentBlock, raw: Raw, at: str) -> Part:
        media = self.media(block.source, at + "/source")
        if media is None:
            return Opaque(NAME, "document", raw, at)
        cited = _given(block.citations)
        enabled = _given(CITATIONS.read(cited, at + "/citations", self.unread).enabled) if cited else None
        cache = self.cache(block.cache_control, at)
        return File(media, at, _given(block.title), _given(block.context), enabled, cache)

    def quoted(self, part: Opaque) -> list[Part]:
        """Return what a document made of blocks, or a search result, says; the part itself where nobody can tell."""
        named = len(self.unread)
        quotation = read_quotation(part, self.unread)
        if quotation is not None:
            inner = [self.block(raw, at) for raw, at in quotation.blocks()]
            if all(type(each) in _QUOTABLE for each in inner):
                mark = self.cache(quotation.cache_control, part.at)
                if parts := lay_out(quotation, inner, mark, self.unread):
                    return parts
        del self.unread[named:]  # all of it falls
        return [part]

    def media(self, raw: Raw, at: str) -> Media | None:
        """Return where the bytes are, None for a source that this gateway does not know."""
        tag = read_request(TAG, bytes(raw), at).type
        if tag not in SOURCES:
            return None
        source = SOURCES[tag].read(raw, at, self.unread)
        if tag == "base64":
            return Media("base64", source.data, source.media_type)
        if tag == "url":
            return Media("url", source.url)
        return Media("file_id", source.file_id) if tag == "file" else Media("text", source.data, source.media_type)

    def thinking_block(self, block: wire_shapes.ThinkingBlock, _raw: Raw, at: str) -> Part:
        signature = block.signature
        return Reasoning(block.thinking, at, recognise(signature, NAME) if signature else None)

    def redacted(self, block: wire_shapes.RedactedThinkingBlock, _raw: Raw, at: str) -> Part:
        return Reasoning("", at, recognise(block.data, NAME), redacted=True)

    def tool_use(self, block: wire_shapes.ToolUseBlock, _raw: Raw, at: str) -> Part:
        arguments = bytes(block.input).decode()
        if not arguments.startswith("{"):
            raise wrong("input must be an object.", at + "/input")
        self.unmodelled_call_fields(block, at)
        call_id, (name, custom) = recognise_id(block.id), recognise_name(block.name)
        if custom:
            self.custom_calls.add(call_id)
            arguments = unwrap(arguments)
        return ToolCall(call_id, name, arguments, at, custom, cache=self.cache(block.cache_control, at))

    def unmodelled_call_fields(self, block: wire_shapes.ToolUseBlock, at: str) -> None:
        if (caller := _given(block.caller)) is not None and _plain(caller) != {"type": "direct"}:
            self.unread.append(Loss(at + "/caller", _NO_COUNTERPART))
        if _given(block.toolset_name) is not None:
            self.unread.append(Loss(at + "/toolset_name", _NO_COUNTERPART))

    def tool_result(self, block: wire_shapes.ToolResultBlock, _raw: Raw, at: str) -> Part:
        content, parts = block.content, list[Part]()
        if isinstance(content, str):
            parts = [Text(content, at + "/content")] if content else []
        elif isinstance(content, list):
            for i, raw in enumerate(content):
                part = self.block(raw, f"{at}/content/{i}")
                if type(part) in _NOT_IN_RESULTS:
                    raise wrong("A tool_result takes text, images and documents.", f"{at}/content/{i}")
                parts += self.quoted(part) if type(part) is Opaque and part.tag in QUOTED else [part]
        if _given(block.toolset_name) is not None:
            self.unread.append(Loss(at + "/toolset_name", _NO_COUNTERPART))
        call_id = recognise_id(block.tool_use_id)
        return ToolResult(
            call_id,
            parts,
            at,
            is_error=_given(block.is_error),
            custom=call_id in self.custom_calls,
            cache=self.cache(block.cache_control, at),
        )

    def cache(self, raw: Raw | UnsetType, at: str) -> CacheMark | None:
        if raw is UNSET or raw == NULL:
            return None
        at += "/cache_control"
        return CacheMark(_given(CACHE.read(raw, at, self.unread).ttl), at)

    # -- tools

    def tool(self, raw: Raw, at: str) -> Tool:
        tool = TOOL.read_strictly(raw)
        if tool is None or tool.type not in _CLIENTS_OWN:
            kind = read_request(HOSTED, bytes(raw), at)
            if kind.type not in (None, "custom"):
                return Tool(kind.name or kind.type or "", "hosted", at, raw=raw)
            tool = TOOL.read_leniently(raw, at, self.unread)
        if not bytes(tool.input_schema).startswith(b"{"):
            raise wrong("input_schema must be an object.", at + "/input_schema")
        for field, value in present(tool, _UNMODELLED_OF_TOOL):
            if value is not False and not (isinstance(value, Raw) and _plain(value) in _TOOL_DEFAULTS):
                self.unread.append(Loss(f"{at}/{field}", _NO_COUNTERPART))
        name, custom = recognise_name(tool.name)
        return Tool(
            name,
            "custom" if custom else "function",
            at,
            _given(tool.description),
            None if custom else tool.input_schema,
            _given(tool.strict),
            cache=self.cache(tool.cache_control, at),
        )

    def tool_choice(self, raw: Raw | UnsetType) -> tuple[ToolChoice | None, bool | None]:
        """Return the choice, and whether calls may be made in parallel."""
        if raw is UNSET or raw == NULL:
            return None, None
        at = "/tool_choice"
        choice = TOOL_CHOICE.read(raw, at, self.unread)
        parallel = False if choice.disable_parallel_tool_use is True else None
        if choice.type == "tool":
            if not choice.name:
                raise wrong("tool_choice of type tool needs a name.", at + "/name")
            name, custom = recognise_name(choice.name)
            return ToolChoice("named", at, [name], custom=custom), parallel
        mode = _CHOICES.get(choice.type)
        if mode is None:
            raise wrong("type must be auto, any, tool or none.", at + "/type")
        return ToolChoice(mode, at), parallel

    # -- the rest

    def thinking(
        self, raw: Raw | UnsetType, output_raw: Raw | UnsetType
    ) -> tuple[ReasoningRequest | None, OutputFormat | None]:
        effort, output = self.output(output_raw)
        if raw is UNSET or raw == NULL:
            return (ReasoningRequest(effort, "/output_config/effort") if effort else None), output
        thinking = THINKING.read(raw, "/thinking", self.unread)
        budget = _given(thinking.budget_tokens)
        pieces = ["/output_config/effort"] if effort else []
        if thinking.type == "enabled":
            if budget is None:
                raise wrong("thinking of type enabled needs budget_tokens.", "/thinking/budget_tokens")
            if effort is None:
                effort = effort_of_budget(budget)
                if EFFORT_BUDGETS[effort] == budget:
                    budget = None  # the effort says it all
        elif thinking.type == "disabled":
            if effort:
                self.unread.append(Loss("/output_config/effort", "thinking is off"))
            return ReasoningRequest("none", "/thinking", "disabled"), output
        elif thinking.type not in ("adaptive", "between_tools"):
            self.unread.append(Loss("/thinking/type", "unknown to this gateway"))
            return (ReasoningRequest(effort, "/output_config/effort") if effort else None), output
        if pieces:
            self.joined["/thinking"] = pieces
        show = _SHOWN.get(thinking.display or "")
        if show is None and _given(thinking.display) is not None:
            self.unread.append(Loss("/thinking/display", "unknown to this gateway"))
        mode = cast(Literal["enabled", "adaptive", "between_tools"], thinking.type)
        return ReasoningRequest(effort, "/thinking", mode, budget, show), output

    def output(self, raw: Raw | UnsetType) -> tuple[str | None, OutputFormat | None]:
        if raw is UNSET or raw == NULL:
            return None, None
        config = OUTPUT.read(raw, "/output_config", self.unread)
        if _given(config.task_budget) is not None:
            self.unread.append(Loss("/output_config/task_budget", _NO_COUNTERPART))
        if (format_ := _given(config.format)) is None:
            return _given(config.effort), None
        at = "/output_config/format"
        return _given(config.effort), OutputFormat(
            "json_schema", at, schema=FORMAT.read(format_, at, self.unread).schema
        )

    def user(self, raw: Raw | UnsetType) -> str | None:
        if raw is UNSET or raw == NULL:
            return None
        return _given(METADATA.read(raw, "/metadata", self.unread).user_id)


def _is_carrier(part: Reasoning) -> bool:
    """Whether a block was only written to carry the token that Gemini put on the part before it."""
    return not part.text and not part.redacted and part.token is not None and part.token.issuer == "gemini"


_QUOTABLE = frozenset({Text, Image, Opaque})
_NOT_IN_RESULTS = frozenset({ToolCall, ToolResult, Reasoning})
_CHOICES: dict[str, Literal["auto", "required", "none"]] = {"auto": "auto", "any": "required", "none": "none"}
_SHOWN = {"summarized": True, "omitted": False}
_CLIENTS_OWN = (UNSET, None, "custom")
_UNMODELLED_OF_TOOL = ("allowed_callers", "defer_loading", "eager_input_streaming", "input_examples")
_TOOL_DEFAULTS: tuple[object, ...] = (["direct"], [])
_METHODS: dict[str, Callable[[_Reader, Any, Raw, str], Part]] = {
    "text": _Reader.text,
    "image": _Reader.image,
    "document": _Reader.document,
    "thinking": _Reader.thinking_block,
    "redacted_thinking": _Reader.redacted,
    "tool_use": _Reader.tool_use,
    "tool_result": _Reader.tool_result,
}
_READ_BLOCK = {shape: method for tag, method in _METHODS.items() for shape in (BLOCKS[tag].shape, BLOCKS[tag].strict)}
