"""What Gemini's generateContent refuses, as far as a translator can get it wrong.

Source: Google's API reference and reported error messages. The wire is ProtoJSON: names are taken in camelCase and in
snake_case, and an unknown name is refused at any depth.
"""

from __future__ import annotations

import re
from typing import Any

from trio_gateway.simulator.reading import is_base64, names, tag
from trio_gateway.simulator.script import Rejected

# Field names by message; where a field holds a message (or a list of them), the message follows a colon.
_MESSAGES = {
    message: {field.partition(":")[0]: field.partition(":")[2] for field in fields.split()}
    for message, fields in {
        "request": "contents:content systemInstruction:content tools:tool toolConfig:toolConfig safetySettings:safety"
        " generationConfig:generation cachedContent labels serviceTier store continuationToken model",
        "content": "role parts:part",
        "part": "text inlineData:blob fileData:file functionCall:call functionResponse:response thought"
        " thoughtSignature executableCode codeExecutionResult toolCall toolResponse videoMetadata mediaResolution"
        " partMetadata mediaProcessing",
        "blob": "mimeType data displayName",
        "file": "mimeType fileUri displayName",
        "call": "id name args",
        "response": "id name response parts willContinue scheduling",
        "tool": "functionDeclarations:declaration googleSearch googleMaps codeExecution urlContext computerUse"
        " fileSearch googleSearchRetrieval mcpServers",
        "declaration": "name description parameters:schema parametersJsonSchema response:schema responseJsonSchema"
        " behavior",
        "schema": "type format title description nullable enum items:schema maxItems minItems required propertyOrdering"
        " properties minProperties maxProperties minimum maximum minLength maxLength pattern example anyOf:schema"
        " default additionalProperties defs ref",
        "toolConfig": "functionCallingConfig:calling retrievalConfig includeServerSideToolInvocations",
        "calling": "mode allowedFunctionNames streamFunctionCallArguments",
        "safety": "category threshold method",
        "generation": "temperature topP topK candidateCount maxOutputTokens stopSequences seed presencePenalty"
        " frequencyPenalty responseMimeType responseSchema:schema responseJsonSchema responseFormat responseLogprobs"
        " logprobs responseModalities thinkingConfig:thinking imageConfig speechConfig mediaResolution"
        " enableEnhancedCivicAnswers",
        "thinking": "includeThoughts thinkingBudget thinkingLevel",
    }.items()
}
# Where there is a list, the parser takes a single item as well.
_REPEATED = names("contents parts tools functionDeclarations safetySettings stopSequences allowedFunctionNames")
_DATA = names(
    "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse"
)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_SIGNING_MODEL = re.compile(r"gemini-(?:[3-9]|\d\d)")
_SKIP_SIGNATURE = ("skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=")
SIGNATURE = "c2ltdWxhdGVkLXRob3VnaHQt"
"""How the simulator's own thought signatures begin: "simulated-thought-" in base64."""


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest) if head else name


def normalised(value: Any, message: str, where: str = "") -> Any:
    """Return `value` with camelCase names. Raises Rejected for a name that the message does not have."""
    if isinstance(value, list):
        return [normalised(one, message, f"{where}[{at}]") for at, one in enumerate(value)]
    if not isinstance(value, dict):
        raise _bad(f"Invalid value at '{where}': a message was expected.")
    fields = _MESSAGES[message]
    found: dict[str, Any] = {}
    for given, inner in value.items():
        name = camel(given)
        if name not in fields:
            raise _bad(f"Invalid JSON payload received. Unknown name \"{given}\" at '{where}': Cannot find field.")
        path = f"{where}.{given}" if where else given
        if message == "schema" and name == "properties" and isinstance(inner, dict):
            inner = {key: normalised(one, "schema", f"{path}.{key}") for key, one in inner.items()}
        elif message == "schema" and name == "type" and not isinstance(inner, str | None):
            raise _bad(f"Proto field is not repeating, cannot start list at '{path}'.")
        elif fields[name] and inner is not None:
            inner = normalised(inner, fields[name], path)
        if name in _REPEATED and inner is not None and not isinstance(inner, list):
            inner = [inner]
        found[name] = inner
    return found


def check_generate(request: dict[str, Any], model: str) -> None:
    """Raise Rejected as the provider would. `request` is normalised."""
    contents = _messages(request, "contents")
    if not contents:
        raise _bad("* GenerateContentRequest.contents: contents is not specified")
    for at, content in enumerate(contents):
        _check_content(content, f"contents[{at}]")
    _check_turns(contents)
    if _SIGNING_MODEL.match(model):
        _check_signatures(contents)
    _check_tools(request)
    _check_generation(request.get("generationConfig") or {})


def _messages(parent: dict[str, Any], field: str) -> list[dict[str, Any]]:
    value = parent.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _bad(f"Invalid value at '{field}': a list of messages was expected.")
    return value


def _check_content(content: dict[str, Any], where: str) -> None:
    if content.get("role") not in (None, "user", "model", "function"):
        raise _bad("Please use a valid role: user, model.")
    parts = _messages(content, "parts")
    if not parts:
        raise _bad(f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.")
    for at, part in enumerate(parts):
        _check_part(part, f"{where}.parts[{at}]")


def _check_part(part: dict[str, Any], where: str) -> None:
    data = [name for name in part if name in _DATA]
    if len(data) != 1:
        raise _bad(
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field"
        )
    [kind] = data
    value = part[kind]
    if kind == "text":
        if not isinstance(value, str):
            raise _bad(f"Invalid value at '{where}.text' (TYPE_STRING)")
    elif not isinstance(value, dict):
        raise _bad(f"Invalid value at '{where}.{kind}': a message was expected.")
    elif kind == "inlineData":
        if not tag(value, "mimeType") or not is_base64(_standard(value.get("data"))):
            raise _bad(f"Invalid value at '{where}.inline_data.data' (TYPE_BYTES), Base64 decoding failed")
    elif kind in ("functionCall", "functionResponse"):
        if not _NAME.fullmatch(tag(value, "name") or ""):
            raise _bad(f"* GenerateContentRequest.{where}.{kind}.name: Name cannot be empty or has invalid characters.")
        body = "args" if kind == "functionCall" else "response"
        if not isinstance(value.get(body, {}), dict | None) or (kind == "functionResponse" and body not in value):
            raise _bad(f"Invalid value at '{where}.{kind}.{body}' (type.googleapis.com/google.protobuf.Struct)")


def _standard(text: Any) -> Any:
    """Bytes may come in the url-safe alphabet too, and without padding."""
    if not isinstance(text, str):
        return None
    text = text.replace("-", "+").replace("_", "/")
    return text + "=" * (-len(text) % 4)


def _holding(content: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [part for part in content["parts"] if kind in part]


def _check_turns(contents: list[dict[str, Any]]) -> None:
    """A turn of calls follows a user's or a turn of responses; the next turn answers all of them."""
    for at, content in enumerate(contents):
        calls, responses = len(_holding(content, "functionCall")), len(_holding(content, "functionResponse"))
        before = contents[at - 1] if at else None
        if calls and (before is None or before.get("role") == "model"):
            raise _bad(
                "Please ensure that function call turn comes immediately after a user turn or after a function response"
                " turn."
            )
        asked = len(_holding(before, "functionCall")) if before is not None else 0
        if responses and not asked:
            raise _bad("Please ensure that function response turn comes immediately after a function call turn.")
        if asked != responses:
            raise _bad(
                "Please ensure that the number of function response parts is equal to the number of function call parts"
                " of the function call turn."
            )
    if _holding(contents[-1], "functionCall"):
        raise _bad("Please ensure that the function call turn is followed by a function response turn.")


def _check_signatures(contents: list[dict[str, Any]]) -> None:
    """Since the user last spoke, each turn of calls has the signature on its first call, and it is ours."""
    spoke = [at for at, one in enumerate(contents) if one.get("role") != "model" and _holding(one, "text")]
    for content in contents[spoke[-1] if spoke else 0 :]:
        calls = _holding(content, "functionCall")
        if not calls:
            continue
        signature = tag(calls[0], "thoughtSignature")
        if signature is None:
            raise _bad("Function call is missing a thought_signature in functionCall parts.")
        if not signature.startswith(SIGNATURE) and signature not in _SKIP_SIGNATURE:
            raise _bad("Corrupted thought signature.")


def _check_tools(request: dict[str, Any]) -> None:
    known: list[str] = []
    for tool in _messages(request, "tools"):
        for declaration in _messages(tool, "functionDeclarations"):
            name = tag(declaration, "name") or ""
            if not _NAME.fullmatch(name):
                raise _bad("Invalid function name. Must start with a letter or an underscore.")
            if name in known:
                raise _bad(f"Duplicate function declaration found: {name}")
            if declaration.get("parameters") is not None and declaration.get("parametersJsonSchema") is not None:
                raise _bad("parameters and parameters_json_schema are mutually exclusive.")
            known.append(name)
    config = request.get("toolConfig") or {}
    calling = config.get("functionCallingConfig") if isinstance(config, dict) else None
    if not isinstance(calling, dict):
        return
    mode, allowed = calling.get("mode"), calling.get("allowedFunctionNames") or []
    if mode not in (None, "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"):
        raise _bad(f"Invalid value at 'tool_config.function_calling_config.mode': {mode!r}")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise _bad("allowed_function_names can only be set when the mode is ANY or VALIDATED.")
    for name in allowed if isinstance(allowed, list) else ():
        if name not in known:
            raise _bad(f"allowed_function_names: {name!r} is not a declared function.")


def _check_generation(config: Any) -> None:
    if not isinstance(config, dict):
        raise _bad("Invalid value at 'generation_config': a message was expected.")
    for field, least, most in (("temperature", 0, 2), ("topP", 0, 1), ("maxOutputTokens", 1, 10**9)):
        value = config.get(field)
        if value is not None and not (isinstance(value, int | float) and least <= value <= most):
            raise _bad(f"* GenerateContentRequest.generation_config.{field}: must be in the range [{least}, {most}].")
    stops = config.get("stopSequences") or []
    if not isinstance(stops, list) or len(stops) > 5:
        raise _bad("* GenerateContentRequest.generation_config.stop_sequences: at most 5.")
    thinking = config.get("thinkingConfig")
    thinking = thinking if isinstance(thinking, dict) else {}
    if thinking.get("thinkingBudget") is not None and thinking.get("thinkingLevel") is not None:
        raise _bad("You can only set only one of thinking budget and thinking level.")
    wants_schema = config.get("responseSchema") is not None or config.get("responseJsonSchema") is not None
    if wants_schema and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        raise _bad("Function calling or response schema needs response_mime_type: 'application/json'.")


def _bad(message: str) -> Rejected:
    return Rejected(400, message)
