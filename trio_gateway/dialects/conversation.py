"""The neutral request and answer that every dialect translates to and from; events.py has the answer's stream.

    body --decode_request--> Conversation --encode_request--> body, losses
    body --decode_answer-->  Answer       --encode_answer-->  body, losses
    bytes --AnswerDecoder--> AnswerEvent* --AnswerEncoder-->  bytes

Three rules make the losses complete:

- A decoder puts every field that this model has no word for into `unread`, as a Loss; an encoder starts its
  list of losses with it.
- Every node has `at`, the JSON pointer (RFC 6901) of the source field it came from, so that an encoder that
  cannot carry it names what the client wrote. A scalar's pointer is `Conversation.pointer(field)`.
- None means absent or null; what a dialect distinguishes beyond that is for the dialect to restore.

Tool arguments and schemas stay the raw JSON text they were: providers' prompt caches are byte-exact.
Everything here is a plain value: equal inputs give equal outputs, and nothing is mutated once it is made.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec


class Loss(msgspec.Struct, frozen=True):
    """Something a translation could not carry: a JSON pointer into the source, and why."""

    pointer: str
    reason: str


Losses: TypeAlias = list[Loss]

# ------------------------------------------------------------------------------------------------ parts


class CacheMark(msgspec.Struct, frozen=True):
    """The prompt up to and including this node may be cached. `ttl` as the source spells it: 5m, 1h, 30m, 12h."""

    ttl: str | None = None
    at: str = ""


class Token(msgspec.Struct, frozen=True):
    """An opaque reasoning token: a signature, encrypted content, a thought signature.

    Only its issuer can read it. It goes back to a target of the issuer's dialect byte for byte, travels through
    a foreign client's format under a namespace (see opaque.py), and is never sent to another vendor.
    """

    issuer: str  # a dialect's name
    value: str


class Media(msgspec.Struct, frozen=True):
    """Where bytes are. `base64` holds standard base64 without a data: prefix; `text` is plain text."""

    kind: Literal["base64", "url", "file_id", "text"]
    value: str
    media_type: str | None = None


class Text(msgspec.Struct):
    text: str
    at: str = ""
    cache: CacheMark | None = None
    citations: list[msgspec.Raw] | None = None  # in the source dialect's own shape
    token: Token | None = None  # Gemini signs text parts too
    token_at: str | None = None  # where the token stood, if not in the part


class Image(msgspec.Struct):
    media: Media
    at: str = ""
    detail: str | None = None
    cache: CacheMark | None = None


class Audio(msgspec.Struct):
    """Audio in. `format` is wav, mp3, ...; an earlier audio answer that is referred to has a file_id."""

    media: Media
    at: str = ""
    format: str | None = None
    cache: CacheMark | None = None


class File(msgspec.Struct):
    """A document: a PDF, a text, anything with a media type that is neither image nor audio."""

    media: Media
    at: str = ""
    filename: str | None = None  # a title, in Anthropic's words
    context: str | None = None
    citations_enabled: bool | None = None
    cache: CacheMark | None = None


class Reasoning(msgspec.Struct):
    """What the model thought. Text may be empty with a token present (thinking that is not displayed).

    `redacted` says that the token *is* the content (Anthropic's redacted_thinking). `id` is the item's id in
    the Responses dialect.
    """

    text: str
    at: str = ""
    token: Token | None = None
    redacted: bool = False
    id: str | None = None
    token_at: str | None = None  # where the token stood, if not in the part


class ToolCall(msgspec.Struct):
    """A call the model made. `arguments` is the raw text: for a function usually a JSON object, perhaps cut off.

    A call without arguments is `{}`. With `custom`, arguments is the free text of a custom tool. `namespace` is the
    tool's.
    """

    id: str
    name: str
    arguments: str
    at: str = ""
    custom: bool = False
    token: Token | None = None
    cache: CacheMark | None = None
    item_id: str | None = None  # the Responses dialect has a second id
    token_at: str | None = None  # where the token stood, if not in the part
    namespace: str | None = None


class ToolResult(msgspec.Struct):
    """What a call gave. `is_error` None where the source has no such flag. `name` where the source says it, and then
    the `namespace` that it is of."""

    call_id: str
    parts: list[Part]
    at: str = ""
    name: str | None = None
    is_error: bool | None = None
    custom: bool = False
    cache: CacheMark | None = None
    namespace: str | None = None


class Refusal(msgspec.Struct):
    text: str
    at: str = ""


class Opaque(msgspec.Struct):
    """A part its dialect has and this model does not: raw JSON, its tag, and whose it is."""

    dialect: str
    tag: str
    raw: msgspec.Raw
    at: str = ""


Part: TypeAlias = Text | Image | Audio | File | Reasoning | ToolCall | ToolResult | Refusal | Opaque

# ---------------------------------------------------------------------------------------------- request


class Turn(msgspec.Struct):
    """One message. Tool results are parts of turns with the role `tool`: consecutive ones are one group.

    A decoder whose dialect mixes tool results with other user content makes a `tool` turn of the results and a
    `user` turn of the rest, in that order.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    parts: list[Part]
    at: str = ""
    name: str | None = None
    phase: str | None = None  # Responses: commentary or final_answer
    phase_at: str = ""  # the message that says so, where other items of the turn stand before it

    @property
    def phase_pointer(self) -> str:
        return f"{self.phase_at or self.at}/phase"


class Tool(msgspec.Struct):
    """A tool on offer. `parameters` is the schema's raw JSON, None where the source gave none.

    kind `custom` takes free text, `format` is its grammar; kind `hosted` is the provider's own, kept in `raw`.
    With a `namespace` (Responses) it is another tool than one of the same name in another, or in none: names.py makes
    one name of the two for dialects that have none.
    """

    name: str
    kind: Literal["function", "custom", "hosted"] = "function"
    at: str = ""
    description: str | None = None
    parameters: msgspec.Raw | None = None
    strict: bool | None = None
    format: msgspec.Raw | None = None
    raw: msgspec.Raw | None = None
    cache: CacheMark | None = None
    namespace: str | None = None


class ToolChoice(msgspec.Struct):
    """auto, none, required (any tool), named (exactly `names[0]`), allowed (a subset; `required` says whether must).

    `namespaces` is that of each name; empty where none has one.
    """

    mode: Literal["auto", "none", "required", "named", "allowed"]
    at: str = ""
    names: list[str] = []
    required: bool = False
    custom: bool = False
    namespaces: list[str | None] = []


class ReasoningRequest(msgspec.Struct):
    """How much to think. `effort` is OpenAI's scale: none minimal low medium high xhigh max.

    `mode` and `budget_tokens` are what a dialect says beyond it; `show` whether the thoughts should come back
    (Anthropic's display, Gemini's includeThoughts, Responses' summary, and Ollama's think along with thinking itself):
    None is the provider's default.
    """

    effort: str | None = None
    at: str = ""
    mode: Literal["enabled", "adaptive", "disabled", "between_tools"] | None = None
    budget_tokens: int | None = None
    show: bool | None = None


class OutputFormat(msgspec.Struct):
    kind: Literal["text", "json_object", "json_schema"]
    at: str = ""
    name: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None
    description: str | None = None


class Conversation(msgspec.Struct, kw_only=True):
    """One request, in no dialect's words. Counts are tokens; None is absent."""

    source: str
    model: str
    turns: list[Turn]
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: list[str] | None = None
    n: int | None = None
    logit_bias: msgspec.Raw | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning: ReasoningRequest | None = None
    output: OutputFormat | None = None
    verbosity: str | None = None
    user: str | None = None  # an end user's id, for the provider's abuse monitoring
    metadata: msgspec.Raw | None = None
    store: bool | None = None
    service_tier: str | None = None
    cache: CacheMark | None = None  # cache as far as possible, without saying where
    cache_key: str | None = None
    keep_alive: msgspec.Raw | None = None  # Ollama: how long the model stays loaded
    stream: bool = False
    include_usage: bool = False  # a Chat client asked for the extra usage chunk
    pointers: dict[str, str] = {}
    joined: dict[str, list[str]] = {}  # pointers of what one node was made of: of the first piece, those of the others
    spelled: dict[str, str] = {}  # pointers as this dialect's documents spell them, and as the client did
    unread: Losses = []

    def pointer(self, field: str) -> str:
        """Return the JSON pointer of the source field that `field` was read from."""
        return self.pointers.get(field) or "/" + field

    def stop_pointer(self, place: int) -> str:
        """Return the JSON pointer of one stop sequence; some dialects take a single one without a list."""
        return self.pointers.get("stop.only") or f"{self.pointer('stop')}/{place}"


# ----------------------------------------------------------------------------------------------- answer

StopReason: TypeAlias = Literal[
    "stop", "stop_sequence", "length", "context_window", "tool_calls", "refusal", "pause", "error", "other"
]


class Stop(msgspec.Struct, frozen=True):
    """Why the model stopped. `sequence` is the stop string that matched, `detail` an explanation for people,
    `raw` the source's own spelling of the reason."""

    reason: StopReason
    sequence: str | None = None
    detail: str | None = None
    raw: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """Token counts. None is unknown, which is not zero.

    `input` counts the whole prompt, cached and cache-written tokens included; `output` the whole answer,
    reasoning included.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None

    def updated(self, later: Usage) -> Usage:
        """Return these counts with every count that `later` knows replaced."""
        return Usage(
            self.input if later.input is None else later.input,
            self.output if later.output is None else later.output,
            self.cached if later.cached is None else later.cached,
            self.cache_write if later.cache_write is None else later.cache_write,
            self.reasoning if later.reasoning is None else later.reasoning,
        )


class Choice(msgspec.Struct):
    parts: list[Part]
    stop: Stop | None = None
    index: int = 0
    logprobs: msgspec.Raw | None = None  # {"content": [...], "refusal": [...]} in Chat's shape


class Answer(msgspec.Struct, kw_only=True):
    """One whole answer. `id`, `model` and `created` (Unix seconds) are None where the source does not say."""

    source: str
    choices: list[Choice]
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None
    unread: Losses = []


class AnswerContext(msgspec.Struct, frozen=True, kw_only=True):
    """What the client's side of an answer needs and the upstream may not say. Given in, so that encoders stay pure."""

    id: str = "0"  # without a prefix; the dialect adds its own (chatcmpl-, msg_, ...)
    created: int = 0  # Unix seconds, used where the source has none
    model: str = ""  # used where the source has none
    include_usage: bool = False  # Chat: the client asked for the extra usage chunk
    array: bool = False  # Gemini: the client wants its stream as one JSON array, not as server-sent events
