from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from google.genai import types
from msgspec import UNSET

from gateway_schemas import gemini

SDK_SHAPES = [
    (gemini.Part, types.Part),
    (gemini.Content, types.Content),
    (gemini.Blob, types.Blob),
    (gemini.FileData, types.FileData),
    (gemini.FunctionCall, types.FunctionCall),
    (gemini.FunctionResponse, types.FunctionResponse),
    (gemini.FunctionResponsePart, types.FunctionResponsePart),
    (gemini.FunctionDeclaration, types.FunctionDeclaration),
    (gemini.Tool, types.Tool),
    (gemini.ToolConfig, types.ToolConfig),
    (gemini.FunctionCallingConfig, types.FunctionCallingConfig),
    (gemini.ThinkingConfig, types.ThinkingConfig),
    (gemini.GenerationConfig, types.GenerationConfig),
    (gemini.Candidate, types.Candidate),
    (gemini.UsageMetadata, types.GenerateContentResponseUsageMetadata),
    (gemini.GenerateContentResponse, types.GenerateContentResponse),
    (gemini.LogprobsResult, types.LogprobsResult),
    (gemini.PartialArg, types.PartialArg),
    (gemini.PromptFeedback, types.GenerateContentResponsePromptFeedback),
]

# What the SDK keeps beside the wire's own members.
_NOT_ON_THE_WIRE = {"sdkHttpResponse", "automaticFunctionCallingHistory", "parsed"}


@pytest.mark.parametrize(("ours", "theirs"), SDK_SHAPES)
def test_every_field_of_google_s_types_is_there(ours: type[msgspec.Struct], theirs: Any) -> None:
    names = {field.alias or name for name, field in theirs.model_fields.items()} - _NOT_ON_THE_WIRE
    assert names <= set(ours.__struct_encode_fields__)


def test_absent_null_and_a_value_are_three_things() -> None:
    decode = msgspec.json.Decoder(gemini.Part).decode
    assert [decode(body).text for body in (b"{}", b'{"text":null}', b'{"text":""}')] == [UNSET, None, ""]
    assert gemini.encode(gemini.Part(text=None)) == b'{"text":null}'
    assert gemini.encode(gemini.Part()) == b"{}"


def test_what_is_not_read_keeps_its_bytes() -> None:
    body = b'{"contents":[{"parts":[{"functionCall":{"name":"f","args":{ "a" : 1.50 }}}]}],"safetySettings":[ 1 ]}'
    request = gemini.request_decoder.decode(body)
    assert gemini.encode(request) == body


def test_counts_may_be_strings() -> None:
    response = gemini.response_decoder.decode(b'{"usageMetadata":{"promptTokenCount":"12"}}')
    assert response.usage_metadata == gemini.UsageMetadata(prompt_token_count=12)


def test_a_text_that_looks_like_another_type_stays_a_text() -> None:
    body = b'{"contents":[{"parts":[{"text":"null"},{"text":"1"},{"text":"true"}]}]}'
    (content,) = gemini.request_decoder.decode(body).contents
    assert content.parts
    assert [part.text for part in content.parts] == ["null", "1", "true"]


def test_requests_to_count_tokens() -> None:
    request = gemini.count_request_decoder.decode(b'{"contents":[{"parts":[{"text":"a"}]}]}')
    assert request.contents == [gemini.Content([gemini.Part(text="a")])]
    whole = b'{"generateContentRequest":{"contents":[],"model":"models/x"}}'
    request = gemini.count_request_decoder.decode(whole)
    assert request.generate_content_request == gemini.GenerateContentRequest([], model="models/x")
    body = gemini.encode(gemini.CountTokensResponse(total_tokens=3))
    assert types.CountTokensResponse.model_validate_json(body).total_tokens == 3
    assert gemini.count_response_decoder.decode(body).total_tokens == 3


def test_embeddings_of_one_and_of_several() -> None:
    one = {"content": {"parts": [{"text": "a"}]}, "model": "models/e", "outputDimensionality": 3}
    assert json.loads(gemini.encode(gemini.embed_request_decoder.decode(json.dumps(one).encode()))) == one
    several = {"requests": [one, one]}
    assert json.loads(gemini.encode(gemini.batch_embed_request_decoder.decode(json.dumps(several).encode()))) == several
    body = {"embeddings": [{"values": [1, 0.5]}], "usageMetadata": {"promptTokenCount": 2}}
    answer = gemini.embed_response_decoder.decode(json.dumps(body).encode())
    assert json.loads(gemini.encode(answer)) == body
    assert types.EmbedContentResponse.model_validate(body).embeddings[0].values == [1, 0.5]
    assert gemini.embed_response_decoder.decode(b'{"embedding":{"values":[]}}').embedding == gemini.ContentEmbedding(
        msgspec.Raw(b"[]")
    )


def test_lists_of_models() -> None:
    body = {"models": [{"name": "models/x", "inputTokenLimit": 10, "supportedGenerationMethods": ["generateContent"]}]}
    models = gemini.model_list_decoder.decode(json.dumps(body).encode())
    assert models.models[0].input_token_limit == 10
    assert json.loads(gemini.encode(models)) == body


def test_errors_and_their_details() -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    body = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [detail]}}
    error = gemini.error_decoder.decode(json.dumps(body).encode()).error
    assert error.details
    assert gemini.error_detail_decoder.decode(error.details[0]).retry_delay == "34s"
    assert gemini.errors_decoder.decode(json.dumps([body]).encode())[0].error == error
    assert json.loads(gemini.encode(gemini.ErrorResponse(error))) == body
