"""OpenAI Chat Completions, `POST /v1/chat/completions`: requests, answers, stream chunks, errors.

Sources: OpenAI's OpenAPI document of 2026-08-21, the types of the openai SDK 3.54, and what OpenAI-compatible
servers add (`reasoning_content`, `reasoning`, `reasoning_details`, `thinking_blocks`, `cache_control`,
`extra_content`). In requests and deltas null means absent, so None stands for both; in answers, where null is
written out, an absent member is UNSET.

Types that providers extend at will (content parts, tools, tool calls) are flat: `type` says which member holds
the content, and a type that is not known decodes with no member set. Decoding is lenient where servers are known
to differ; the structs with `omit_defaults` write what is set and nothing else.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder

# ------------------------------------------------------------------------------------------------- parts


class PromptCacheBreakpoint(Struct, omit_defaults=True):
    """The prompt up to here may be cached. `mode` is `explicit`; `ttl` 30m or 12h."""

    mode: str
    ttl: str | None = None


class CacheControl(Struct, omit_defaults=True):
    """Anthropic's cache mark, which OpenRouter and litellm let clients write into Chat's parts and tools."""

    type: str = "ephemeral"
    ttl: str | None = None


class ImageUrl(Struct, omit_defaults=True):
    """`url` is http(s) or a data URL; `detail` auto, low, high or original."""

    url: str
    detail: str | None = None


class InputAudio(Struct, omit_defaults=True):
    """`data` is base64; `format` wav or mp3."""

    data: str
    format: str | None = None


class FileContent(Struct, omit_defaults=True):
    """`file_data` is a data URL, or plain base64."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ContentPart(Struct, omit_defaults=True):
    """`type` text, image_url, input_audio, file or refusal: the member of that name holds the content."""

    type: str
    text: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: FileContent | None = None
    refusal: str | None = None
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None
    cache_control: CacheControl | None = None


# ------------------------------------------------------------------------------------------------ calls


class FunctionCall(Struct, omit_defaults=True):
    """`arguments` is a string that should hold a JSON object, and may not: it can be cut off."""

    name: str | None = None
    arguments: str | None = None


class CustomCall(Struct, omit_defaults=True):
    """`input` is the free text of a custom tool."""

    name: str | None = None
    input: str | None = None


class GoogleExtra(Struct, omit_defaults=True):
    thought_signature: str | None = None


class ExtraContent(Struct, omit_defaults=True):
    """Google's compatibility endpoint keeps a call's thought signature here."""

    google: GoogleExtra | None = None


class ToolCall(Struct, omit_defaults=True):
    """`type` function (also when absent) or custom. `index` where a client sends back what it streamed."""

    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    index: int | None = None
    extra_content: ExtraContent | None = None


class ReasoningDetail(Struct, omit_defaults=True):
    """OpenRouter's carrier. `type` reasoning.text, reasoning.summary or reasoning.encrypted."""

    type: str
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class ThinkingBlock(Struct, omit_defaults=True):
    """litellm's carrier: Anthropic's thinking and redacted_thinking blocks."""

    type: str
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class AudioRef(Struct):
    """An earlier audio answer of the model."""

    id: str


# --------------------------------------------------------------------------------------------- messages


class DeveloperMessage(Struct, tag_field="role", tag="developer", omit_defaults=True):
    content: str | list[ContentPart] | None = None
    name: str | None = None


class SystemMessage(Struct, tag_field="role", tag="system", omit_defaults=True):
    content: str | list[ContentPart] | None = None
    name: str | None = None


class UserMessage(Struct, tag_field="role", tag="user", omit_defaults=True):
    content: str | list[ContentPart] | None = None
    name: str | None = None


class AssistantMessage(Struct, tag_field="role", tag="assistant", omit_defaults=True):
    """The members from `reasoning_content` on are what compatible servers add, and clients send back."""

    content: str | list[ContentPart] | None = None
    refusal: str | None = None
    name: str | None = None
    audio: AudioRef | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    annotations: list[Raw] | None = None


class ToolMessage(Struct, tag_field="role", tag="tool", omit_defaults=True):
    tool_call_id: str
    content: str | list[ContentPart] | None = None
    name: str | None = None


class FunctionMessage(Struct, tag_field="role", tag="function", omit_defaults=True):
    """Deprecated: what the legacy `function_call` of this name gave."""

    name: str
    content: str | None = None


Message: TypeAlias = DeveloperMessage | SystemMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage

# ------------------------------------------------------------------------------------------------ tools


class Function(Struct, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: Raw | UnsetType = UNSET
    strict: bool | None = None


class CustomTool(Struct, omit_defaults=True):
    """`format` is {"type": "text"} or {"type": "grammar", "grammar": {"syntax", "definition"}}."""

    name: str
    description: str | None = None
    format: Raw | UnsetType = UNSET


class Tool(Struct, omit_defaults=True):
    type: str
    function: Function | None = None
    custom: CustomTool | None = None
    cache_control: CacheControl | None = None


class ToolName(Struct):
    name: str


class ToolRef(Struct, omit_defaults=True):
    type: str
    function: ToolName | None = None
    custom: ToolName | None = None


class AllowedTools(Struct):
    """`mode` auto or required."""

    mode: str
    tools: list[ToolRef]


class ToolChoice(Struct, omit_defaults=True):
    """`type` function, custom or allowed_tools."""

    type: str
    function: ToolName | None = None
    custom: ToolName | None = None
    allowed_tools: AllowedTools | None = None


# ---------------------------------------------------------------------------------------------- request


class StreamOptions(Struct, omit_defaults=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(Struct, omit_defaults=True):
    name: str | None = None
    description: str | None = None
    schema: Raw | UnsetType = UNSET
    strict: bool | None = None


class ResponseFormat(Struct, omit_defaults=True):
    """`type` text, json_object or json_schema."""

    type: str
    json_schema: JsonSchema | None = None


class PromptCacheOptions(Struct, omit_defaults=True):
    """`mode` implicit (the default) or explicit: only the breakpoints of the request."""

    mode: str | None = None
    ttl: str | None = None
    prewarm: bool | None = None
    comparison_response_id: str | None = None


class Request(Struct, omit_defaults=True):
    model: str
    messages: list[Message]
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None  # deprecated
    function_call: str | ToolName | None = None  # deprecated
    max_completion_tokens: int | None = None
    max_tokens: int | None = None  # deprecated
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    seed: int | None = None
    logit_bias: Raw | UnsetType = UNSET
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    response_format: ResponseFormat | None = None
    modalities: list[str] | None = None
    audio: Raw | UnsetType = UNSET
    prediction: Raw | UnsetType = UNSET
    web_search_options: Raw | UnsetType = UNSET
    moderation: Raw | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    user: str | None = None  # deprecated
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: str | None = None  # deprecated
    stream: bool | None = None
    stream_options: StreamOptions | None = None


# ----------------------------------------------------------------------------------------------- answer


class PromptTokensDetails(Struct, omit_defaults=True):
    cached_tokens: int | float | None = None
    cache_write_tokens: int | float | None = None
    audio_tokens: int | float | None = None
    text_tokens: int | float | None = None
    image_tokens: int | float | None = None


class CompletionTokensDetails(Struct, omit_defaults=True):
    reasoning_tokens: int | float | None = None
    audio_tokens: int | float | None = None
    accepted_prediction_tokens: int | float | None = None
    rejected_prediction_tokens: int | float | None = None
    text_tokens: int | float | None = None


class Usage(Struct, omit_defaults=True):
    """`prompt_tokens` counts cached and cache-written tokens too, `completion_tokens` reasoning too."""

    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    total_tokens: int | float | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class AnswerMessage(Struct):
    """`content` is a string; some compatible servers write a list of parts."""

    role: str | None = "assistant"
    content: str | list[Raw] | None = None
    refusal: str | None = None
    annotations: list[Raw] | UnsetType | None = UNSET
    audio: Raw | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType | None = UNSET
    function_call: FunctionCall | UnsetType | None = UNSET
    reasoning_content: str | UnsetType | None = UNSET
    reasoning: str | UnsetType | None = UNSET
    reasoning_details: list[ReasoningDetail] | UnsetType | None = UNSET
    thinking_blocks: list[ThinkingBlock] | UnsetType | None = UNSET


class Choice(Struct):
    """`finish_reason` stop, length, tool_calls, content_filter or function_call."""

    message: AnswerMessage | None = None
    finish_reason: str | None = None
    index: int | None = 0
    logprobs: Raw | UnsetType = UNSET


class ErrorDetail(Struct):
    """`param` names a field as `messages[0].content`; all four members are always written."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class ErrorBody(Struct):
    """The body of every OpenAI error, and the frame of an error inside a stream."""

    error: ErrorDetail


class Answer(Struct):
    """`object` is chat.completion. With `error` instead of choices, a failure inside a 200."""

    id: str | None = None
    object: str | None = "chat.completion"
    created: int | float | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Usage | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET
    moderation: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


# ---------------------------------------------------------------------------------------------- stream


class Delta(Struct, omit_defaults=True):
    """`tool_calls` are fragments: `index` says of which call, `id` and name come with the first."""

    role: str | None = None
    content: str | list[Raw] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    annotations: list[Raw] | None = None
    audio: Raw | UnsetType = UNSET


class ChunkChoice(Struct):
    index: int | None = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    logprobs: Raw | UnsetType = UNSET


class Chunk(Struct):
    """`object` is chat.completion.chunk. The chunk with the usage has no choices."""

    id: str | None = None
    object: str | None = "chat.completion.chunk"
    created: int | float | None = None
    model: str | None = None
    choices: list[ChunkChoice] | None = None
    usage: Usage | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET
    obfuscation: str | UnsetType | None = UNSET
    moderation: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class UrlCitation(Struct):
    """`start_index` and `end_index` count characters of the message's content."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Struct):
    type: str
    url_citation: UrlCitation


class Logprobs(Struct):
    """What `logprobs` of a choice holds; each entry is {token, logprob, bytes, top_logprobs}."""

    content: list[Raw] | None = None
    refusal: list[Raw] | None = None


encode = Encoder().encode

request_decoder = Decoder(Request)
response_decoder = Decoder(Answer)
chunk_decoder = Decoder(Chunk)
error_decoder = Decoder(ErrorBody)
logprobs_decoder = Decoder(Logprobs)
