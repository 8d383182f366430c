"""OpenAI Responses, `POST /v1/responses`: requests, items, the response object, stream events, errors.

Sources: OpenAI's OpenAPI document of 2026-08-21, the types of the openai SDK 3.54, and recorded traffic where it
differs. In requests null means absent, so None stands for both. In the response object null is written out and an
absent member is UNSET. A member that is `Raw` is UNSET where it is absent, and may hold null.

Items and content parts come in dozens of types, and new ones appear without notice: lists of them are `Raw`, to be
decoded one by one with the decoder that `ItemHead.type` calls for. Those of hosted tools have no shape here.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder

# ------------------------------------------------------------------------------------------------- parts


class PromptCacheBreakpoint(Struct, omit_defaults=True):
    """The prompt up to here may be cached. `mode` is `explicit`; `ttl` 30m or 12h."""

    mode: str | None = None
    ttl: str | None = None


class ContentPart(Struct, omit_defaults=True):
    """Any content part, flat: `type` says which members count.

    input_text, output_text, reasoning_text and summary_text have `text`; input_image `image_url` (http(s) or a data
    URL) or `file_id`; input_file `file_data` (a data URL), `file_url` or `file_id`; refusal `refusal`.
    """

    type: str
    text: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    detail: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None
    logprobs: list[Raw] | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class InputText(Struct, tag_field="type", tag="input_text", omit_defaults=True):
    text: str
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class InputImage(Struct, tag_field="type", tag="input_image", omit_defaults=True):
    """`detail` auto, low, high or original: required in messages, optional in tool outputs."""

    detail: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class InputFile(Struct, tag_field="type", tag="input_file", omit_defaults=True):
    """`detail` auto, low or high. `file_data` needs a `filename`."""

    detail: str | None = None
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class OutputText(Struct, tag_field="type", tag="output_text"):
    """`annotations` hold url_citation, file_citation, container_file_citation and file_path objects."""

    annotations: list[Raw]
    logprobs: list[Raw]
    text: str


class RefusalPart(Struct, tag_field="type", tag="refusal"):
    refusal: str


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(Struct, tag_field="type", tag="reasoning_text"):
    text: str


class TopLogprob(Struct, omit_defaults=True):
    token: str
    logprob: float
    bytes: list[int] | None = None


class Logprob(Struct, omit_defaults=True):
    """Stream events leave `bytes` out."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


# ------------------------------------------------------------------------------------------------- items


class ItemHead(Struct):
    """What tells items apart. A message may come without `type`, an item reference with nothing but its `id`."""

    type: str | None = None
    role: str | None = None
    id: str | None = None


class Message(Struct, tag_field="type", tag="message", omit_defaults=True):
    """A message of either side. `role` user, assistant, system or developer; `phase` commentary or final_answer.

    An assistant's may be short (a string) or whole, as the response had it.
    """

    role: str
    content: str | list[Raw] | None = None
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class OutputMessage(Struct, tag_field="type", tag="message"):
    """The model's message, whole."""

    id: str
    status: str
    content: list[Raw]
    role: str = "assistant"
    phase: str | UnsetType | None = UNSET


class OutputItem(Struct):
    """A message or a call as servers send them: not all are careful to send every member."""

    type: str | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    content: str | list[Raw] | None = None
    status: str | None = None
    phase: str | None = None


class ReasoningItem(Struct, tag_field="type", tag="reasoning"):
    """`encrypted_content` can be read by its issuer alone, and is bound to `id`."""

    id: str | UnsetType | None = UNSET
    summary: list[SummaryText] = []
    content: list[ReasoningText] | UnsetType | None = UNSET
    encrypted_content: str | UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET


class FunctionCall(Struct, tag_field="type", tag="function_call", omit_defaults=True, rename={"async_": "async"}):
    """`call_id` pairs it with its output; `id` is the item's own. `arguments` is text, perhaps cut off."""

    call_id: str
    name: str
    arguments: str
    id: str | None = None
    namespace: str | None = None
    caller: Raw | UnsetType = UNSET
    async_: bool | None = None
    status: str | None = None


class FunctionCallOutput(Struct, tag_field="type", tag="function_call_output", omit_defaults=True):
    """`output` is text, or a list of input_text, input_image and input_file."""

    output: str | list[Raw]
    call_id: str | None = None
    id: str | None = None
    name: str | None = None
    namespace: str | None = None
    caller: Raw | UnsetType = UNSET
    status: str | None = None


class CustomToolCall(Struct, tag_field="type", tag="custom_tool_call", omit_defaults=True, rename={"async_": "async"}):
    """`input` is free text."""

    call_id: str
    name: str
    input: str
    id: str | None = None
    namespace: str | None = None
    caller: Raw | UnsetType = UNSET
    async_: bool | None = None
    status: str | None = None


class CustomToolCallOutput(Struct, tag_field="type", tag="custom_tool_call_output", omit_defaults=True):
    output: str | list[Raw]
    call_id: str
    id: str | None = None
    caller: Raw | UnsetType = UNSET


class ItemReference(Struct, tag_field="type", tag="item_reference"):
    """Stands for an item that the provider stored."""

    id: str


# ------------------------------------------------------------------------------------------------- tools


class FunctionTool(Struct, tag_field="type", tag="function", rename={"async_": "async"}):
    """`parameters` is a JSON Schema. It and `strict` are required, and may be null; strict is the default."""

    name: str
    parameters: Raw = Raw(b"null")
    strict: bool | None = None
    description: str | UnsetType | None = UNSET
    output_schema: Raw | UnsetType = UNSET
    defer_loading: bool | UnsetType | None = UNSET
    allowed_callers: list[str] | UnsetType | None = UNSET
    async_: bool | UnsetType | None = UNSET


class CustomTool(Struct, tag_field="type", tag="custom", omit_defaults=True, rename={"async_": "async"}):
    """`format` is `{"type":"text"}` or `{"type":"grammar","syntax":"lark","definition":"..."}`."""

    name: str
    description: str | None = None
    format: Raw | UnsetType = UNSET
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    async_: bool | None = None


class NamespaceTool(Struct, tag_field="type", tag="namespace"):
    """Function and custom tools; a call of one says the namespace's name beside its own."""

    name: str
    description: str = ""
    tools: list[Raw] = []


class GrammarFormat(Struct, tag_field="type", tag="grammar"):
    """`syntax` lark or regex."""

    syntax: str
    definition: str


class ToolChoice(Struct, omit_defaults=True):
    """A choice that is no plain word: function and custom have `name`, allowed_tools `mode` and `tools`.

    OpenAI's document has no `namespace` here; without one nobody knows which of two tools is meant.
    """

    type: str
    name: str | None = None
    namespace: str | None = None
    mode: str | None = None
    tools: list[Raw] | None = None
    server_label: str | None = None


class ToolName(Struct, omit_defaults=True):
    """An entry of allowed_tools; `namespace` as in ToolChoice."""

    type: str
    name: str | None = None
    namespace: str | None = None


# ----------------------------------------------------------------------------------------------- request


class Reasoning(Struct, omit_defaults=True):
    """`effort` none to max; `summary` auto, concise or detailed; `context` auto, current_turn or all_turns."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class TextFormat(Struct, omit_defaults=True):
    """`type` text, json_object or json_schema, which has the other members."""

    type: str
    name: str | None = None
    schema: Raw | UnsetType = UNSET
    strict: bool | None = None
    description: str | None = None


class TextConfig(Struct, omit_defaults=True):
    format: TextFormat | None = None
    verbosity: str | None = None


class StreamOptions(Struct, omit_defaults=True):
    include_obfuscation: bool | None = None


class PromptCacheOptions(Struct, omit_defaults=True):
    """`mode` implicit (the default) or explicit; `ttl` 30m or 12h."""

    mode: str | None = None
    ttl: str | None = None
    prewarm: bool | None = None
    comparison_response_id: str | None = None


class CreateResponse(Struct, kw_only=True, omit_defaults=True):
    """The request. `input` is text or a list of items; `include` names what the answer shall hold besides."""

    model: str
    input: str | list[Raw] | None = None
    instructions: str | None = None
    tools: list[Raw] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    reasoning: Reasoning | None = None
    text: TextConfig | None = None
    include: list[str] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: Raw | UnsetType = UNSET
    background: bool | None = None
    background_options: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET
    truncation: str | None = None
    prompt: Raw | UnsetType = UNSET
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: str | None = None
    metadata: Raw | UnsetType = UNSET
    safety_identifier: str | None = None
    user: str | None = None
    service_tier: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    moderation: Raw | UnsetType = UNSET
    image: Raw | UnsetType = UNSET
    access_programs: Raw | UnsetType = UNSET


# ---------------------------------------------------------------------------------------------- response


class InputTokensDetails(Struct):
    """Recordings before mid-2026 lack `cache_write_tokens`."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputTokensDetails(Struct):
    reasoning_tokens: int | None = None


class Usage(Struct):
    input_tokens: int | None = None
    input_tokens_details: InputTokensDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputTokensDetails | None = None
    total_tokens: int | None = None


class ResponseError(Struct):
    """`code` is an open list: server_error, rate_limit_exceeded, invalid_prompt, insufficient_quota, ..."""

    code: str | int | None = None
    message: str | None = None
    param: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET


class IncompleteDetails(Struct):
    """`reason` max_output_tokens, content_filter, max_messages or steered."""

    reason: str | None = None


class Response(Struct, kw_only=True):
    """The response object. `status` completed, failed, in_progress, cancelled, queued or incomplete.

    Much of it repeats the request. Times are Unix seconds.
    """

    id: str | None = None
    object: str = "response"
    created_at: int | float | None = None
    status: str | UnsetType | None = UNSET
    background: bool | UnsetType | None = UNSET
    completed_at: int | float | UnsetType | None = UNSET
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: Raw | UnsetType = UNSET
    max_output_tokens: int | UnsetType | None = UNSET
    max_tool_calls: int | UnsetType | None = UNSET
    model: str | None = None
    output: list[Raw] | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | UnsetType | None = UNSET
    conversation: Raw | UnsetType = UNSET
    prompt: Raw | UnsetType = UNSET
    prompt_cache_key: str | UnsetType | None = UNSET
    prompt_cache_options: Raw | UnsetType = UNSET
    prompt_cache_retention: str | UnsetType | None = UNSET
    prompt_cache_diagnostics: Raw | UnsetType = UNSET
    reasoning: Raw | UnsetType = UNSET
    safety_identifier: str | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    store: bool | UnsetType | None = UNSET
    temperature: float | None = None
    text: Raw | UnsetType = UNSET
    tool_choice: Raw | UnsetType = UNSET
    tools: list[Raw] | None = None
    top_logprobs: int | UnsetType | None = UNSET
    top_p: float | None = None
    truncation: str | UnsetType | None = UNSET
    usage: Usage | UnsetType | None = UNSET
    tool_usage: Raw | UnsetType = UNSET
    moderation: Raw | UnsetType = UNSET
    input_transformations: Raw | UnsetType = UNSET
    access_programs: Raw | UnsetType = UNSET
    image: Raw | UnsetType = UNSET
    user: str | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET


# ------------------------------------------------------------------------------------------------ errors


class ErrorBody(Struct):
    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class ErrorResponse(Struct):
    """A failed request's body."""

    error: ErrorBody


# ------------------------------------------------------------------------------------------------ stream


class StreamEvent(Struct):
    """Any stream event, flat: `type` says which members count.

    `item_id` may change from event to event behind some proxies: `output_index` is what correlates. `sequence_number`
    may have gaps. An `error` event has its members at the top, or in `error`.
    """

    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    annotation_index: int | None = None
    item_id: str | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    item: Raw | UnsetType = UNSET
    part: Raw | UnsetType = UNSET
    annotation: Raw | UnsetType = UNSET
    logprobs: list[Raw] | None = None
    response: Response | None = None
    message: str | None = None
    code: str | int | None = None
    param: str | None = None
    error: Raw | UnsetType = UNSET


class EventType(Struct):
    """What is read of an event that has the shape of no other."""

    type: str = ""
    sequence_number: Any = None


# ------------------------------------------------------------------------------------------------ codecs

request_decoder = Decoder(CreateResponse)
item_head_decoder = Decoder(ItemHead)
message_decoder = Decoder(Message)
output_item_decoder = Decoder(OutputItem)
reasoning_decoder = Decoder(ReasoningItem)
function_call_decoder = Decoder(FunctionCall)
function_call_output_decoder = Decoder(FunctionCallOutput)
custom_call_decoder = Decoder(CustomToolCall)
custom_call_output_decoder = Decoder(CustomToolCallOutput)
part_decoder = Decoder(ContentPart)
function_tool_decoder = Decoder(FunctionTool)
custom_tool_decoder = Decoder(CustomTool)
namespace_tool_decoder = Decoder(NamespaceTool)
tool_name_decoder = Decoder(ToolName)
response_decoder = Decoder(Response)
error_decoder = Decoder(ErrorResponse)
event_decoder = Decoder(StreamEvent)
event_type_decoder = Decoder(EventType)
encode = Encoder().encode
