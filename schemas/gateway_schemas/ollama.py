"""Ollama's native API: /api/chat, /api/generate, /api/embed, /api/tags, /api/show, /api/version.

Source: Ollama's Go types (api/types.go), which know fields that its OpenAPI document omits. Durations are
nanoseconds. The server omits zero-valued counts and durations, so an absent one is zero or unknown. Null means
absent everywhere.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

# ---------------------------------------------------------------------------------------------- messages


class ToolCallFunction(msgspec.Struct):
    """`arguments` is a JSON object, not the text of one."""

    name: str
    arguments: Raw | UnsetType = UNSET
    index: int | UnsetType | None = UNSET


class ToolCall(msgspec.Struct):
    """`id` is missing on servers before 0.12."""

    function: ToolCallFunction
    id: str | UnsetType | None = UNSET


class Message(msgspec.Struct):
    """`content` is a string, never an array of parts; `images` are standard base64 without a data: prefix."""

    role: str
    content: str | UnsetType | None = UNSET
    thinking: str | UnsetType | None = UNSET
    images: list[str] | UnsetType | None = UNSET
    tool_calls: list[ToolCall] | UnsetType | None = UNSET
    tool_name: str | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET


# ---------------------------------------------------------------------------------------------- requests


class Options(msgspec.Struct, kw_only=True):
    """The server truncates fractional numbers where it wants integers. Unknown options are ignored with a warning."""

    num_predict: int | float | UnsetType | None = UNSET  # -1 is without end, -2 until the context is full
    temperature: float | UnsetType | None = UNSET
    top_p: float | UnsetType | None = UNSET
    top_k: int | float | UnsetType | None = UNSET
    min_p: float | UnsetType | None = UNSET
    seed: int | float | UnsetType | None = UNSET
    presence_penalty: float | UnsetType | None = UNSET
    frequency_penalty: float | UnsetType | None = UNSET
    stop: str | list[str] | UnsetType | None = UNSET
    num_ctx: int | float | UnsetType | None = UNSET
    num_keep: int | float | UnsetType | None = UNSET
    typical_p: float | UnsetType | None = UNSET
    repeat_last_n: int | float | UnsetType | None = UNSET
    repeat_penalty: float | UnsetType | None = UNSET
    num_batch: int | float | UnsetType | None = UNSET
    num_gpu: int | float | UnsetType | None = UNSET
    main_gpu: int | float | UnsetType | None = UNSET
    num_thread: int | float | UnsetType | None = UNSET
    draft_num_predict: int | float | UnsetType | None = UNSET
    use_mmap: bool | UnsetType | None = UNSET


class ToolFunction(msgspec.Struct):
    """`parameters` is read into a struct of few JSON Schema keywords; all others are dropped from the prompt."""

    name: str
    description: str | UnsetType | None = UNSET
    parameters: Raw | UnsetType = UNSET


class Tool(msgspec.Struct):
    function: ToolFunction
    type: str = "function"
    items: Raw | UnsetType = UNSET


class ChatRequest(msgspec.Struct, kw_only=True):
    """POST /api/chat. `stream` is true unless said otherwise. Without messages it loads the model, or unloads it."""

    model: str
    messages: list[Message] | UnsetType | None = UNSET
    tools: list[Tool] | UnsetType | None = UNSET
    stream: bool | UnsetType | None = UNSET
    format: Raw | UnsetType = UNSET  # "json", or a JSON Schema
    options: Options | UnsetType | None = UNSET
    think: bool | str | UnsetType | None = UNSET  # low, medium, high or max, where it is a string
    keep_alive: Raw | UnsetType = UNSET  # a duration ("5m"), or seconds
    truncate: bool | UnsetType | None = UNSET
    shift: bool | UnsetType | None = UNSET
    logprobs: bool | UnsetType | None = UNSET
    top_logprobs: int | UnsetType | None = UNSET
    debug_render_only: bool | UnsetType | None = msgspec.field(default=UNSET, name="_debug_render_only")


class GenerateRequest(msgspec.Struct, kw_only=True):
    """POST /api/generate: a prompt without turns."""

    model: str
    prompt: str | UnsetType | None = UNSET
    suffix: str | UnsetType | None = UNSET
    system: str | UnsetType | None = UNSET
    template: str | UnsetType | None = UNSET
    context: list[int] | UnsetType | None = UNSET  # deprecated: the tokens of an earlier answer
    stream: bool | UnsetType | None = UNSET
    raw: bool | UnsetType | None = UNSET  # the prompt goes to the model without a template
    format: Raw | UnsetType = UNSET
    keep_alive: Raw | UnsetType = UNSET
    images: list[str] | UnsetType | None = UNSET
    options: Options | UnsetType | None = UNSET
    think: bool | str | UnsetType | None = UNSET
    truncate: bool | UnsetType | None = UNSET
    shift: bool | UnsetType | None = UNSET
    logprobs: bool | UnsetType | None = UNSET
    top_logprobs: int | UnsetType | None = UNSET
    width: int | UnsetType | None = UNSET  # of a generated image, in pixels
    height: int | UnsetType | None = UNSET
    steps: int | UnsetType | None = UNSET
    debug_render_only: bool | UnsetType | None = msgspec.field(default=UNSET, name="_debug_render_only")


class EmbedRequest(msgspec.Struct, kw_only=True):
    """POST /api/embed. `truncate` is true unless said otherwise."""

    model: str
    input: str | list[str]
    truncate: bool | UnsetType | None = UNSET
    dimensions: int | UnsetType | None = UNSET
    keep_alive: Raw | UnsetType = UNSET
    options: Options | UnsetType | None = UNSET


class ShowRequest(msgspec.Struct, kw_only=True):
    """POST /api/show. `name` is the old word for `model`."""

    model: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    verbose: bool | UnsetType | None = UNSET
    system: str | UnsetType | None = UNSET
    template: str | UnsetType | None = UNSET
    options: Options | UnsetType | None = UNSET


# ----------------------------------------------------------------------------------------------- answers


class TokenLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | UnsetType | None = UNSET


class Logprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | UnsetType | None = UNSET
    top_logprobs: list[TokenLogprob] | UnsetType | None = UNSET


class ChatResponse(msgspec.Struct, kw_only=True):
    """The answer, or one line of its stream: the text of a line is what is new in it.

    Counts and durations come on the last line, which alone is `done`. `done_reason` is stop, length, load or
    unload; it stays "stop" when tools were called. A stream that breaks ends with a line that has only `error`.
    """

    model: str | UnsetType | None = UNSET
    created_at: str | UnsetType | None = UNSET  # RFC 3339, with nanoseconds
    message: Message | UnsetType | None = UNSET
    done: bool | UnsetType | None = UNSET
    done_reason: str | UnsetType | None = UNSET
    prompt_eval_count: int | UnsetType | None = UNSET
    eval_count: int | UnsetType | None = UNSET
    total_duration: int | float | UnsetType | None = UNSET
    load_duration: int | float | UnsetType | None = UNSET
    prompt_eval_duration: int | float | UnsetType | None = UNSET
    eval_duration: int | float | UnsetType | None = UNSET
    logprobs: list[Logprob] | UnsetType | None = UNSET
    remote_model: str | UnsetType | None = UNSET
    remote_host: str | UnsetType | None = UNSET
    debug_info: Raw | UnsetType = msgspec.field(default=UNSET, name="_debug_info")
    error: Raw | UnsetType = UNSET


class GenerateResponse(msgspec.Struct, kw_only=True):
    """The answer of /api/generate, or one line of its stream."""

    model: str | UnsetType | None = UNSET
    created_at: str | UnsetType | None = UNSET
    response: str | UnsetType | None = UNSET
    thinking: str | UnsetType | None = UNSET
    tool_calls: list[ToolCall] | UnsetType | None = UNSET
    done: bool | UnsetType | None = UNSET
    done_reason: str | UnsetType | None = UNSET
    context: list[int] | UnsetType | None = UNSET
    prompt_eval_count: int | UnsetType | None = UNSET
    eval_count: int | UnsetType | None = UNSET
    total_duration: int | float | UnsetType | None = UNSET
    load_duration: int | float | UnsetType | None = UNSET
    prompt_eval_duration: int | float | UnsetType | None = UNSET
    eval_duration: int | float | UnsetType | None = UNSET
    logprobs: list[Logprob] | UnsetType | None = UNSET
    remote_model: str | UnsetType | None = UNSET
    remote_host: str | UnsetType | None = UNSET
    image: str | UnsetType | None = UNSET
    completed: int | UnsetType | None = UNSET
    total: int | UnsetType | None = UNSET
    debug_info: Raw | UnsetType = msgspec.field(default=UNSET, name="_debug_info")
    error: Raw | UnsetType = UNSET


class EmbedResponse(msgspec.Struct, kw_only=True):
    """One vector for each input, in the inputs' order."""

    model: str | UnsetType | None = UNSET
    embeddings: list[list[float]] | UnsetType | None = UNSET
    total_duration: int | float | UnsetType | None = UNSET
    load_duration: int | float | UnsetType | None = UNSET
    prompt_eval_count: int | UnsetType | None = UNSET
    error: Raw | UnsetType = UNSET


class ModelDetails(msgspec.Struct, kw_only=True):
    parent_model: str | UnsetType | None = UNSET
    format: str | UnsetType | None = UNSET
    family: str | UnsetType | None = UNSET
    families: list[str] | UnsetType | None = UNSET
    parameter_size: str | UnsetType | None = UNSET  # "7.6B"
    quantization_level: str | UnsetType | None = UNSET


class ModelSummary(msgspec.Struct, kw_only=True):
    """`name` and `model` say the same."""

    name: str
    model: str | UnsetType = UNSET
    remote_model: str | UnsetType = UNSET
    remote_host: str | UnsetType = UNSET
    modified_at: str | UnsetType = UNSET
    size: int | UnsetType = UNSET  # bytes on disk
    digest: str | UnsetType = UNSET
    details: ModelDetails | UnsetType | None = UNSET


class TagsResponse(msgspec.Struct):
    """GET /api/tags: the models that are there."""

    models: list[ModelSummary] | None = None


class ShowResponse(msgspec.Struct, kw_only=True):
    license: str | UnsetType | None = UNSET
    modelfile: str | UnsetType | None = UNSET
    parameters: str | UnsetType | None = UNSET  # lines of text, as a Modelfile has them
    template: str | UnsetType | None = UNSET
    system: str | UnsetType | None = UNSET
    details: ModelDetails | UnsetType | None = UNSET
    messages: list[Message] | UnsetType | None = UNSET
    remote_model: str | UnsetType | None = UNSET
    remote_host: str | UnsetType | None = UNSET
    model_info: dict[str, Raw] | UnsetType | None = UNSET
    projector_info: dict[str, Raw] | UnsetType | None = UNSET
    tensors: list[Raw] | UnsetType | None = UNSET
    capabilities: list[str] | UnsetType | None = UNSET  # completion, tools, vision, thinking, embedding, insert, ...
    modified_at: str | UnsetType | None = UNSET


class VersionResponse(msgspec.Struct):
    version: str


class ErrorResponse(msgspec.Struct):
    """`signin_url` comes with a 401 for models in the cloud."""

    error: str
    signin_url: str | UnsetType = UNSET


encode = msgspec.json.Encoder().encode
chat_request_decoder = msgspec.json.Decoder(ChatRequest)
chat_response_decoder = msgspec.json.Decoder(ChatResponse)  # a line of the stream, too
generate_request_decoder = msgspec.json.Decoder(GenerateRequest)
generate_response_decoder = msgspec.json.Decoder(GenerateResponse)
embed_request_decoder = msgspec.json.Decoder(EmbedRequest)
embed_response_decoder = msgspec.json.Decoder(EmbedResponse)
tags_response_decoder = msgspec.json.Decoder(TagsResponse)
show_request_decoder = msgspec.json.Decoder(ShowRequest)
show_response_decoder = msgspec.json.Decoder(ShowResponse)
version_response_decoder = msgspec.json.Decoder(VersionResponse)
error_response_decoder = msgspec.json.Decoder(ErrorResponse)
