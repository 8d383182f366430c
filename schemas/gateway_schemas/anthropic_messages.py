"""Anthropic Messages: `POST /v1/messages`, versions 2023-06-01 and 2026-10-21, and `POST /v1/messages/count_tokens`.

Lists whose members the vendor extends weekly (messages, blocks, tools) are kept as Raw: decode a member with the
decoder of its kind at the end of this module, and carry what it does not know as it is. A Raw member that is null is
Raw(b"null").
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

# --------------------------------------------------------------------------------------------- request


class CacheControl(msgspec.Struct, tag_field="type", tag="ephemeral"):
    ttl: str | UnsetType | None = UNSET  # 5m, 1h


class Metadata(msgspec.Struct):
    user_id: str | UnsetType | None = UNSET


class Thinking(msgspec.Struct):
    type: str  # enabled, adaptive, disabled, between_tools
    budget_tokens: int | UnsetType = UNSET  # enabled only: at least 1024, below max_tokens
    display: str | UnsetType | None = UNSET  # summarized, omitted


class JsonFormat(msgspec.Struct, tag_field="type", tag="json_schema"):
    schema: Raw


class OutputConfig(msgspec.Struct):
    effort: str | UnsetType | None = UNSET  # low, medium, high, xhigh, max
    format: Raw | UnsetType = UNSET  # a JsonFormat
    task_budget: Raw | UnsetType = UNSET  # beta


class ToolChoice(msgspec.Struct):
    type: str  # auto, any, tool, none
    name: str | UnsetType = UNSET
    disable_parallel_tool_use: bool | UnsetType = UNSET


class Tool(msgspec.Struct):
    """A client's tool. A typed tool of the vendor's has another `type` and members of its own."""

    name: str
    input_schema: Raw
    type: str | UnsetType | None = UNSET  # custom
    description: str | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    cache_control: Raw | UnsetType = UNSET
    allowed_callers: Raw | UnsetType = UNSET
    defer_loading: bool | UnsetType = UNSET
    eager_input_streaming: bool | UnsetType | None = UNSET
    input_examples: Raw | UnsetType = UNSET


class MessagesRequest(msgspec.Struct):
    model: str
    max_tokens: int  # 0 only warms the cache
    messages: list[Raw]
    system: str | list[Raw] | UnsetType | None = UNSET  # a list of TextBlock
    tools: list[Raw] | UnsetType | None = UNSET
    tool_choice: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    output_config: Raw | UnsetType = UNSET
    stop_sequences: list[str] | UnsetType | None = UNSET
    stream: bool | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET
    service_tier: str | UnsetType | None = UNSET  # auto, standard_only
    cache_control: Raw | UnsetType = UNSET  # marks the last cacheable block
    temperature: float | UnsetType | None = UNSET  # until 2026-10-21, and only on older models; 0 to 1
    top_p: float | UnsetType | None = UNSET
    top_k: int | UnsetType | None = UNSET
    speed: str | UnsetType | None = UNSET  # standard, fast
    container: Raw | UnsetType = UNSET
    diagnostics: Raw | UnsetType = UNSET
    inference_geo: str | UnsetType | None = UNSET
    user_profile_id: str | UnsetType | None = UNSET
    # beta
    billing_policy: Raw | UnsetType = UNSET
    compaction: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET
    fallback_credit_token: Raw | UnsetType = UNSET
    fallbacks: Raw | UnsetType = UNSET
    mcp_servers: Raw | UnsetType = UNSET
    output_format: Raw | UnsetType = UNSET  # the old name of output_config.format
    prefill: Raw | UnsetType = UNSET
    thread: Raw | UnsetType = UNSET


class CountTokensRequest(msgspec.Struct):
    """What a prompt is made of; what only the answer depends on has no place here."""

    model: str
    messages: list[Raw]
    system: str | list[Raw] | UnsetType | None = UNSET
    tools: list[Raw] | UnsetType | None = UNSET
    tool_choice: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    output_config: Raw | UnsetType = UNSET
    cache_control: Raw | UnsetType = UNSET
    speed: str | UnsetType | None = UNSET
    user_profile_id: str | UnsetType | None = UNSET
    workspace_id: str | UnsetType | None = UNSET


class Message(msgspec.Struct):
    role: str  # user, assistant; system on some models
    content: str | list[Raw]


# ---------------------------------------------------------------------------------------------- blocks


class Base64Source(msgspec.Struct, tag_field="type", tag="base64"):
    data: str
    media_type: str


class UrlSource(msgspec.Struct, tag_field="type", tag="url"):
    url: str


class FileSource(msgspec.Struct, tag_field="type", tag="file"):
    file_id: str


class TextSource(msgspec.Struct, tag_field="type", tag="text"):
    data: str
    media_type: str = "text/plain"


class ContentSource(msgspec.Struct, tag_field="type", tag="content"):
    """A document made of blocks, texts and images; a string is one text."""

    content: str | list[Raw]


Source: TypeAlias = Base64Source | UrlSource | FileSource | TextSource | ContentSource


class Citations(msgspec.Struct):
    enabled: bool | UnsetType = UNSET


class TextBlock(msgspec.Struct, tag_field="type", tag="text"):
    text: str
    citations: list[Raw] | UnsetType | None = UNSET
    cache_control: Raw | UnsetType = UNSET


class ImageBlock(msgspec.Struct, tag_field="type", tag="image"):
    source: Raw
    cache_control: Raw | UnsetType = UNSET
    transformations: Raw | UnsetType = UNSET


class DocumentBlock(msgspec.Struct, tag_field="type", tag="document"):
    source: Raw
    title: str | UnsetType | None = UNSET
    context: str | UnsetType | None = UNSET
    citations: Raw | UnsetType = UNSET
    cache_control: Raw | UnsetType = UNSET


class SearchResultBlock(msgspec.Struct, tag_field="type", tag="search_result"):
    """What a client's own search has found. `source` says where, often a URL; the content is text blocks."""

    title: str
    source: str
    content: list[Raw]
    citations: Raw | UnsetType = UNSET
    cache_control: Raw | UnsetType = UNSET


class ThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    """`thinking` is often empty with a signature present; a proxy's block may lack the signature."""

    thinking: str
    signature: str | UnsetType = UNSET


class RedactedThinkingBlock(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    data: str


class ToolUseBlock(msgspec.Struct, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: Raw
    caller: Raw | UnsetType = UNSET
    toolset_name: str | UnsetType | None = UNSET
    cache_control: Raw | UnsetType = UNSET


class ToolResultBlock(msgspec.Struct, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | list[Raw] | UnsetType | None = UNSET
    is_error: bool | UnsetType | None = UNSET
    cache_control: Raw | UnsetType = UNSET
    toolset_name: str | UnsetType | None = UNSET


Block: TypeAlias = (
    TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ToolResultBlock
)


class Tagged(msgspec.Struct):
    """Any block or event, for its tag."""

    type: str


# ---------------------------------------------------------------------------------------------- answer


class CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputTokensDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class Usage(msgspec.Struct, omit_defaults=True):
    """`input_tokens` leaves out what was read from and written to the cache."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputTokensDetails | None = None
    service_tier: str | None = None  # standard, priority, batch
    server_tool_use: Raw | UnsetType = UNSET
    inference_geo: str | None = None
    speed: str | None = None
    iterations: Raw | UnsetType = UNSET  # the totals beside it are the serving model's


class StopDetails(msgspec.Struct):
    type: str = "refusal"
    category: str | None = None
    explanation: str | None = None
    recommended_model: Raw | UnsetType = UNSET


class MessagesResponse(msgspec.Struct, kw_only=True):
    id: str
    type: str = "message"
    role: str = "assistant"
    model: str
    content: list[Raw]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType | None = UNSET
    usage: Usage
    container: Raw | UnsetType = UNSET
    diagnostics: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET


class CountTokensResponse(msgspec.Struct):
    input_tokens: int


class ErrorBody(msgspec.Struct):
    type: str
    message: str
    error_code: str | UnsetType | None = UNSET
    details: Raw | UnsetType = UNSET


class ErrorResponse(msgspec.Struct, tag_field="type", tag="error"):
    error: ErrorBody
    request_id: str | UnsetType | None = UNSET


# ----------------------------------------------------------------------------------------- stream events


class Delta(msgspec.Struct):
    """A block's delta has a `type` and its one member; a message's has neither `type` nor text."""

    type: str | UnsetType = UNSET  # text_delta, input_json_delta, thinking_delta, signature_delta, citations_delta
    text: str | UnsetType = UNSET
    partial_json: str | UnsetType = UNSET
    thinking: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    citation: Raw | UnsetType = UNSET
    stop_reason: str | UnsetType | None = UNSET
    stop_sequence: str | UnsetType | None = UNSET
    stop_details: StopDetails | UnsetType | None = UNSET
    container: Raw | UnsetType = UNSET


class StartMessage(msgspec.Struct):
    """The message as message_start tells it: without content, with the usage known so far."""

    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class StartBlock(msgspec.Struct):
    """A block as content_block_start tells it: mostly empty, but proxies send whole ones. `input` is `{}` there, and
    the arguments come as fragments."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw | UnsetType = UNSET
    citations: list[Raw] | None = None


class StreamEvent(msgspec.Struct):
    """Any event: message_start, content_block_start, content_block_delta, content_block_stop, message_delta,
    message_stop, ping, error. Others may come and mean nothing to those who do not know them."""

    type: str
    index: int | UnsetType = UNSET
    delta: Delta | UnsetType = UNSET
    content_block: Raw | UnsetType = UNSET
    message: StartMessage | UnsetType = UNSET
    usage: Usage | UnsetType | None = UNSET
    error: Raw | UnsetType = UNSET
    request_id: str | UnsetType | None = UNSET


request_decoder = msgspec.json.Decoder(MessagesRequest)
message_decoder = msgspec.json.Decoder(Message)
block_decoder = msgspec.json.Decoder(Block)
source_decoder = msgspec.json.Decoder(Source)
tool_decoder = msgspec.json.Decoder(Tool)
tag_decoder = msgspec.json.Decoder(Tagged)
response_decoder = msgspec.json.Decoder(MessagesResponse)
count_request_decoder = msgspec.json.Decoder(CountTokensRequest)
count_response_decoder = msgspec.json.Decoder(CountTokensResponse)
start_block_decoder = msgspec.json.Decoder(StartBlock)
event_decoder = msgspec.json.Decoder(StreamEvent)
error_decoder = msgspec.json.Decoder(ErrorResponse)
encode = msgspec.json.Encoder().encode
