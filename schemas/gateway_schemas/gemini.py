"""Gemini: `POST /v1/models/{model}:generateContent` and its fellows below, `GET /v1/models`.

The other verbs are `:streamGenerateContent`, `:countTokens`, `:embedContent` and `:batchEmbedContents`.

The wire is ProtoJSON: members are written in camelCase and may be read in snake_case too, 64-bit integers are
strings, bytes are base64 in the standard or the URL-safe alphabet, enums are their names. These structs read and
write camelCase. Messages that a program seldom looks into are kept as Raw.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType


class _Message(msgspec.Struct, rename="camel"):
    pass


# ---------------------------------------------------------------------------------------------- content


class Blob(_Message):
    mime_type: str | UnsetType | None = UNSET
    data: str | UnsetType | None = UNSET  # base64
    display_name: str | UnsetType | None = UNSET  # Vertex, and parts of a function's response


class FileData(_Message):
    file_uri: str | UnsetType | None = UNSET
    mime_type: str | UnsetType | None = UNSET
    display_name: str | UnsetType | None = UNSET


class PartialArg(_Message):
    """A fragment of a call's arguments (Vertex, streamed): the value at `json_path`, or more of its string."""

    json_path: str | UnsetType | None = UNSET
    string_value: str | UnsetType | None = UNSET
    number_value: Raw | UnsetType = UNSET
    bool_value: bool | UnsetType | None = UNSET
    null_value: str | UnsetType | None = UNSET
    will_continue: bool | UnsetType | None = UNSET


class FunctionCall(_Message):
    """A call. A streamed one comes in pieces: a name, then partial arguments, then an empty call that ends it."""

    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    args: Raw | UnsetType = UNSET  # an object
    partial_args: list[PartialArg] | UnsetType | None = UNSET
    will_continue: bool | UnsetType | None = UNSET


class FunctionResponsePart(_Message):
    inline_data: Blob | UnsetType | None = UNSET
    file_data: FileData | UnsetType | None = UNSET
    media_processing: Raw | UnsetType = UNSET
    media_resolution: Raw | UnsetType = UNSET
    video_metadata: Raw | UnsetType = UNSET
    document_metadata: Raw | UnsetType = UNSET
    spreadsheet_metadata: Raw | UnsetType = UNSET
    audio_metadata: Raw | UnsetType = UNSET


class FunctionResponse(_Message):
    """What a call gave: an object, by convention {"output": ...} or {"error": ...}."""

    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    response: Raw | UnsetType = UNSET  # an object
    parts: list[FunctionResponsePart] | UnsetType | None = UNSET
    will_continue: bool | UnsetType | None = UNSET
    scheduling: str | UnsetType | None = UNSET


class Part(_Message):
    """One datum: exactly one of text, inlineData, fileData, functionCall, functionResponse, and the Raw kinds."""

    text: str | UnsetType | None = UNSET
    thought: bool | UnsetType | None = UNSET
    thought_signature: str | UnsetType | None = UNSET  # base64
    inline_data: Blob | UnsetType | None = UNSET
    file_data: FileData | UnsetType | None = UNSET
    function_call: FunctionCall | UnsetType | None = UNSET
    function_response: FunctionResponse | UnsetType | None = UNSET
    executable_code: Raw | UnsetType = UNSET
    code_execution_result: Raw | UnsetType = UNSET
    tool_call: Raw | UnsetType = UNSET  # of a tool that Google runs; replayed as it is
    tool_response: Raw | UnsetType = UNSET
    audio_transcription: Raw | UnsetType = UNSET
    # What goes with the datum
    video_metadata: Raw | UnsetType = UNSET
    media_resolution: Raw | UnsetType = UNSET
    media_processing: Raw | UnsetType = UNSET
    part_metadata: Raw | UnsetType = UNSET
    speech_metadata: Raw | UnsetType = UNSET
    document_metadata: Raw | UnsetType = UNSET
    spreadsheet_metadata: Raw | UnsetType = UNSET
    audio_metadata: Raw | UnsetType = UNSET


class Content(_Message):
    parts: list[Part] | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET  # user, model


# ---------------------------------------------------------------------------------------------- request


class FunctionDeclaration(_Message):
    """A function. `parameters` is Google's subset of OpenAPI's schemas (upper-case types, `nullable`)."""

    name: str
    description: str | UnsetType | None = UNSET
    parameters: Raw | UnsetType = UNSET
    parameters_json_schema: Raw | UnsetType = UNSET  # JSON Schema; excludes `parameters`
    response: Raw | UnsetType = UNSET
    response_json_schema: Raw | UnsetType = UNSET
    behavior: str | UnsetType | None = UNSET  # BLOCKING, NON_BLOCKING


class Tool(_Message):
    function_declarations: list[FunctionDeclaration] | UnsetType | None = UNSET
    google_search: Raw | UnsetType = UNSET
    google_search_retrieval: Raw | UnsetType = UNSET
    google_maps: Raw | UnsetType = UNSET
    code_execution: Raw | UnsetType = UNSET
    url_context: Raw | UnsetType = UNSET
    file_search: Raw | UnsetType = UNSET
    computer_use: Raw | UnsetType = UNSET
    retrieval: Raw | UnsetType = UNSET
    enterprise_web_search: Raw | UnsetType = UNSET
    parallel_ai_search: Raw | UnsetType = UNSET
    exa_ai_search: Raw | UnsetType = UNSET
    mcp_servers: Raw | UnsetType = UNSET


class FunctionCallingConfig(_Message):
    mode: str | UnsetType | None = UNSET  # AUTO, ANY, NONE, VALIDATED
    allowed_function_names: list[str] | UnsetType | None = UNSET
    stream_function_call_arguments: bool | UnsetType | None = UNSET  # Vertex


class ToolConfig(_Message):
    function_calling_config: FunctionCallingConfig | UnsetType | None = UNSET
    retrieval_config: Raw | UnsetType = UNSET
    include_server_side_tool_invocations: bool | UnsetType | None = UNSET


class ThinkingConfig(_Message):
    """`thinking_budget` in tokens, 0 is off and -1 automatic; excludes `thinking_level`."""

    include_thoughts: bool | UnsetType | None = UNSET
    thinking_budget: int | UnsetType | None = UNSET
    thinking_level: str | UnsetType | None = UNSET  # MINIMAL, LOW, MEDIUM, HIGH, XHIGH


class TextResponseFormat(_Message):
    mime_type: str | UnsetType | None = UNSET
    schema: Raw | UnsetType = UNSET  # JSON Schema


class ResponseFormat(_Message):
    text: TextResponseFormat | UnsetType | None = UNSET
    audio: Raw | UnsetType = UNSET
    image: Raw | UnsetType = UNSET
    video: Raw | UnsetType = UNSET


class GenerationConfig(_Message):
    temperature: float | UnsetType | None = UNSET  # 0 to 2
    top_p: float | UnsetType | None = UNSET
    top_k: float | UnsetType | None = UNSET
    candidate_count: int | UnsetType | None = UNSET
    max_output_tokens: int | UnsetType | None = UNSET
    stop_sequences: list[str] | UnsetType | None = UNSET
    seed: int | UnsetType | None = UNSET  # 32 bits
    presence_penalty: float | UnsetType | None = UNSET
    frequency_penalty: float | UnsetType | None = UNSET
    response_mime_type: str | UnsetType | None = UNSET  # text/plain, application/json, text/x.enum
    response_schema: Raw | UnsetType = UNSET  # Google's subset of OpenAPI's schemas
    response_json_schema: Raw | UnsetType = UNSET  # JSON Schema; excludes `response_schema`
    response_format: list[ResponseFormat] | UnsetType | None = UNSET
    response_logprobs: bool | UnsetType | None = UNSET
    logprobs: int | UnsetType | None = UNSET  # how many alternatives a token; needs `response_logprobs`
    thinking_config: ThinkingConfig | UnsetType | None = UNSET
    response_modalities: list[str] | UnsetType | None = UNSET  # TEXT, IMAGE, AUDIO, VIDEO
    media_resolution: str | UnsetType | None = UNSET
    audio_timestamp: bool | UnsetType | None = UNSET
    enable_affective_dialog: bool | UnsetType | None = UNSET
    enable_enhanced_civic_answers: bool | UnsetType | None = UNSET
    speech_config: Raw | UnsetType = UNSET
    image_config: Raw | UnsetType = UNSET
    translation_config: Raw | UnsetType = UNSET
    audio_transcription_config: Raw | UnsetType = UNSET
    routing_config: Raw | UnsetType = UNSET
    model_selection_config: Raw | UnsetType = UNSET


class GenerateContentRequest(_Message):
    """`model` is normally in the URL, and so is whether the answer is streamed."""

    contents: list[Content]
    system_instruction: Content | UnsetType | None = UNSET
    tools: list[Tool] | UnsetType | None = UNSET
    tool_config: ToolConfig | UnsetType | None = UNSET
    generation_config: GenerationConfig | UnsetType | None = UNSET
    safety_settings: Raw | UnsetType = UNSET
    cached_content: str | UnsetType | None = UNSET
    labels: Raw | UnsetType = UNSET  # Vertex
    service_tier: str | UnsetType | None = UNSET  # unspecified, standard, flex, priority
    store: bool | UnsetType | None = UNSET
    continuation_token: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET


class CountTokensRequest(_Message):
    """Contents alone, or a whole request, with its model's resource name."""

    contents: list[Content] | UnsetType | None = UNSET
    generate_content_request: GenerateContentRequest | UnsetType | None = UNSET
    # Vertex
    system_instruction: Content | UnsetType | None = UNSET
    tools: list[Tool] | UnsetType | None = UNSET
    generation_config: GenerationConfig | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET


# ----------------------------------------------------------------------------------------------- answer


class LogprobsCandidate(_Message):
    token: str | UnsetType | None = UNSET
    token_id: int | UnsetType | None = UNSET
    log_probability: float | UnsetType | None = UNSET


class TopCandidates(_Message):
    candidates: list[LogprobsCandidate] | UnsetType | None = UNSET


class LogprobsResult(_Message):
    chosen_candidates: list[LogprobsCandidate] | UnsetType | None = UNSET
    top_candidates: list[TopCandidates] | UnsetType | None = UNSET  # one for each chosen candidate
    log_probability_sum: float | UnsetType | None = UNSET


class Candidate(_Message):
    content: Content | UnsetType | None = UNSET
    finish_reason: str | UnsetType | None = UNSET
    finish_message: str | UnsetType | None = UNSET
    index: int | UnsetType | None = UNSET
    logprobs_result: LogprobsResult | UnsetType | None = UNSET
    safety_ratings: Raw | UnsetType = UNSET
    citation_metadata: Raw | UnsetType = UNSET
    grounding_metadata: Raw | UnsetType = UNSET
    grounding_attributions: Raw | UnsetType = UNSET
    url_context_metadata: Raw | UnsetType = UNSET
    avg_logprobs: Raw | UnsetType = UNSET
    token_count: int | UnsetType | None = UNSET
    continuation_token: str | UnsetType | None = UNSET


class PromptFeedback(_Message):
    block_reason: str | UnsetType | None = UNSET
    block_reason_message: str | UnsetType | None = UNSET
    safety_ratings: Raw | UnsetType = UNSET


class UsageMetadata(_Message):
    """Counts of tokens. The prompt's includes what was cached; the candidates' excludes thoughts."""

    prompt_token_count: int | UnsetType | None = UNSET
    cached_content_token_count: int | UnsetType | None = UNSET
    candidates_token_count: int | UnsetType | None = UNSET
    thoughts_token_count: int | UnsetType | None = UNSET
    tool_use_prompt_token_count: int | UnsetType | None = UNSET
    total_token_count: int | UnsetType | None = UNSET
    prompt_tokens_details: Raw | UnsetType = UNSET
    cache_tokens_details: Raw | UnsetType = UNSET
    candidates_tokens_details: Raw | UnsetType = UNSET
    tool_use_prompt_tokens_details: Raw | UnsetType = UNSET
    traffic_type: str | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET


class Status(_Message):
    """google.rpc.Status, as errors carry it. `code` is the HTTP status, `status` the name of the gRPC one."""

    code: int | UnsetType | None = UNSET
    message: str | UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET
    details: list[Raw] | UnsetType | None = UNSET


class GenerateContentResponse(_Message):
    """An answer, or a chunk of a streamed one: its parts are more of the text, its usage is cumulative."""

    candidates: list[Candidate] | UnsetType | None = UNSET
    prompt_feedback: PromptFeedback | UnsetType | None = UNSET
    usage_metadata: UsageMetadata | UnsetType | None = UNSET
    model_version: str | UnsetType | None = UNSET
    response_id: str | UnsetType | None = UNSET
    create_time: str | UnsetType | None = UNSET  # RFC 3339
    model_status: Raw | UnsetType = UNSET
    error: Status | UnsetType | None = UNSET  # in a stream, in place of all else


class CountTokensResponse(_Message):
    total_tokens: int | UnsetType | None = UNSET
    cached_content_token_count: int | UnsetType | None = UNSET
    total_billable_characters: int | UnsetType | None = UNSET  # Vertex
    prompt_tokens_details: Raw | UnsetType = UNSET
    cache_tokens_details: Raw | UnsetType = UNSET


# ------------------------------------------------------------------------------------------- embeddings


class EmbedContentConfig(_Message):
    """How to embed, for the newer models; the older ones are told by the request's own members of the same names."""

    task_type: str | UnsetType | None = UNSET
    title: str | UnsetType | None = UNSET
    output_dimensionality: int | UnsetType | None = UNSET
    auto_truncate: bool | UnsetType | None = UNSET
    document_ocr: bool | UnsetType | None = UNSET
    audio_track_extraction: bool | UnsetType | None = UNSET


class EmbedContentRequest(_Message):
    """`content` becomes one vector, whatever it holds. `model` is required within a batch: models/NAME."""

    content: Content
    model: str | UnsetType | None = UNSET
    task_type: str | UnsetType | None = UNSET  # RETRIEVAL_QUERY, SEMANTIC_SIMILARITY, ...
    title: str | UnsetType | None = UNSET
    output_dimensionality: int | UnsetType | None = UNSET
    embed_content_config: EmbedContentConfig | UnsetType | None = UNSET


class BatchEmbedContentsRequest(_Message):
    requests: list[EmbedContentRequest]


class ContentEmbedding(_Message):
    values: Raw  # a list of numbers
    statistics: Raw | UnsetType = UNSET  # Vertex


class EmbedContentResponse(_Message):
    """The answer to one request has `embedding`, that to a batch `embeddings`, in the requests' order."""

    embedding: ContentEmbedding | UnsetType | None = UNSET
    embeddings: list[ContentEmbedding] | UnsetType | None = UNSET
    usage_metadata: UsageMetadata | UnsetType | None = UNSET
    error: Status | UnsetType | None = UNSET


# ----------------------------------------------------------------------------------------------- errors


class ErrorResponse(_Message):
    error: Status


class ErrorDetail(msgspec.Struct):
    """A member of `details`: RetryInfo, ErrorInfo, RequestInfo, QuotaFailure, BadRequest, told apart by its type."""

    type: str = msgspec.field(name="@type", default="")
    retry_delay: str | UnsetType | None = msgspec.field(name="retryDelay", default=UNSET)  # RetryInfo: "34s"
    reason: str | UnsetType | None = UNSET  # ErrorInfo: API_KEY_INVALID
    request_id: str | UnsetType | None = msgspec.field(name="requestId", default=UNSET)  # RequestInfo
    field_violations: Raw | UnsetType = msgspec.field(name="fieldViolations", default=UNSET)  # BadRequest


# ----------------------------------------------------------------------------------------------- models


class Model(_Message):
    """`name` is a resource name: models/gemini-3-pro."""

    name: str
    base_model_id: str | UnsetType | None = UNSET
    version: str | UnsetType | None = UNSET
    display_name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    input_token_limit: int | UnsetType | None = UNSET
    output_token_limit: int | UnsetType | None = UNSET
    supported_generation_methods: list[str] | UnsetType | None = UNSET
    thinking: bool | UnsetType | None = UNSET
    temperature: float | UnsetType | None = UNSET
    max_temperature: float | UnsetType | None = UNSET
    top_p: float | UnsetType | None = UNSET
    top_k: float | UnsetType | None = UNSET


class ModelList(_Message):
    models: list[Model]
    next_page_token: str | UnsetType | None = UNSET


# Not strict: 64-bit integers are strings in ProtoJSON.
request_decoder = msgspec.json.Decoder(GenerateContentRequest, strict=False)
count_request_decoder = msgspec.json.Decoder(CountTokensRequest, strict=False)
response_decoder = msgspec.json.Decoder(GenerateContentResponse, strict=False)
count_response_decoder = msgspec.json.Decoder(CountTokensResponse, strict=False)
embed_request_decoder = msgspec.json.Decoder(EmbedContentRequest, strict=False)
batch_embed_request_decoder = msgspec.json.Decoder(BatchEmbedContentsRequest, strict=False)
embed_response_decoder = msgspec.json.Decoder(EmbedContentResponse, strict=False)
error_decoder = msgspec.json.Decoder(ErrorResponse, strict=False)
errors_decoder = msgspec.json.Decoder(list[ErrorResponse], strict=False)
error_detail_decoder = msgspec.json.Decoder(ErrorDetail)
model_list_decoder = msgspec.json.Decoder(ModelList, strict=False)
encode = msgspec.json.Encoder().encode
