"""Google's embeddings, to and from the others': what each side says, and what it cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.embeddings import (
    EmbeddingDialect,
    EmbeddingRequest,
    decode_embedding_answer,
    decode_embedding_request,
    encode_embedding_answer,
    encode_embedding_request,
    renamed_embedding_request,
)
from trio_gateway.errors import InvalidRequest, UpstreamBroke, UpstreamError


def one(text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": "models/e", "content": {"parts": [{"text": text}]}, **fields}


def batch(*requests: dict[str, Any]) -> EmbeddingRequest:
    return decode_embedding_request(json.dumps({"requests": requests}).encode(), "gemini", model="e")


def single(**fields: Any) -> EmbeddingRequest:
    return decode_embedding_request(json.dumps(one() | fields).encode(), "gemini", model="e", single=True)


def to(target: EmbeddingDialect, request: EmbeddingRequest) -> tuple[Any, list[str]]:
    body, losses = encode_embedding_request(request, "m", target)
    return json.loads(body), [loss.pointer for loss in losses]


def told(source: EmbeddingDialect, body: Any, request: EmbeddingRequest, target: EmbeddingDialect) -> Any:
    written, _ = encode_embedding_answer(
        decode_embedding_answer(json.dumps(body).encode(), source), request, target
    )  # fmt: skip
    return json.loads(written)


def test_a_single_text_is_one_elsewhere_and_a_batch_a_list() -> None:
    assert to("openai_chat", single(outputDimensionality=3)) == (
        {"model": "m", "input": "hi", "encoding_format": "float", "dimensions": 3},
        [],
    )
    assert to("openai_chat", batch(one("a"), one("b")))[0]["input"] == ["a", "b"]
    assert to("openai_chat", batch(one("a")))[0]["input"] == ["a"]
    assert to("ollama", batch(one("a"), one("b"))) == ({"model": "m", "input": ["a", "b"]}, [])


def test_parts_of_a_text_are_one_text_and_either_spelling_is_read() -> None:
    parts = {"parts": [{"text": "a"}, {"text": "b"}], "role": "user"}
    request = single(content=parts, output_dimensionality=5, embed_content_config={"auto_truncate": True})
    assert to("ollama", request) == ({"model": "m", "input": "ab", "truncate": True, "dimensions": 5}, [])


def test_what_others_have_no_word_for_is_named_as_it_was_spelled() -> None:
    requests = [one(task_type="RETRIEVAL_QUERY"), one(title="t", embedContentConfig={"documentOcr": True}, new=1)]
    assert to("openai_chat", batch(*requests))[1] == [
        "/requests/0/task_type",
        "/requests/1/title",
        "/requests/1/embedContentConfig/documentOcr",
        "/requests/1/new",
    ]


@pytest.mark.parametrize(
    ("requests", "pointer"),
    [
        ([], "/requests"),
        ([one(), one("")], "/requests/1/content"),
        ([one() | {"content": {}}], "/requests/0/content"),
        ([{"model": "m"}], "/requests/0/content"),
        ([one() | {"content": {"parts": [{"text": "a"}, {"inline_data": {"data": "AA=="}}]}}], "/requests/0/content/parts/1"),  # noqa: E501 (one request)
        ([one() | {"content": {"parts": [{"somethingNew": {}}]}}], "/requests/0/content/parts/0"),
        ([one(outputDimensionality=3), one(outputDimensionality=4)], "/requests/1/outputDimensionality"),
        ([one(), one(embedContentConfig={"autoTruncate": True})], "/requests/1/embedContentConfig/autoTruncate"),
        ([one(output_dimensionality="x")], "/requests/0/output_dimensionality"),
        (5, "/requests"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_of_others_is_refused_where_it_stands(requests: Any, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_embedding_request(json.dumps({"requests": requests}).encode(), "gemini", model="e")
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("given_", ["hi", ["hi"], ["a", "b"]])
def test_others_texts_are_a_batch_to_google(given_: Any) -> None:
    openai = decode_embedding_request(
        json.dumps({"model": "x", "input": given_, "dimensions": 4, "user": "u"}).encode(), "openai_chat"
    )
    texts = [given_] if isinstance(given_, str) else given_
    requests = [
        {"model": "models/m", "content": {"parts": [{"text": text}]}, "outputDimensionality": 4} for text in texts
    ]
    assert to("gemini", openai) == ({"requests": requests}, ["/user"])
    ollama = decode_embedding_request(
        json.dumps({"model": "x", "input": given_, "truncate": True, "keep_alive": 5}).encode(), "ollama"
    )
    assert to("gemini", ollama)[1] == ["/keep_alive", "/truncate"]


def test_tokens_are_not_for_google() -> None:
    request = decode_embedding_request(b'{"model":"x","input":[1,2]}', "openai_chat")
    with pytest.raises(InvalidRequest) as caught:
        to("gemini", request)
    assert caught.value.pointer == "/input"


GOOGLES = {
    "embeddings": [{"values": [0.5, -1]}, {"values": [2, 3]}],
    "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
}


def test_googles_answer_is_read_by_others_with_its_count() -> None:
    openai = decode_embedding_request(b'{"model":"x","input":["a","b"]}', "openai_chat")
    read = told("gemini", GOOGLES, openai, "openai_chat")
    assert [entry["embedding"] for entry in read["data"]] == [[0.5, -1], [2, 3]]
    assert (read["model"], read["usage"]) == ("x", {"prompt_tokens": 7, "total_tokens": 7})
    ollama = decode_embedding_request(b'{"model":"x","input":["a","b"]}', "ollama")
    assert told("gemini", GOOGLES, ollama, "ollama") == {
        "model": "x",
        "embeddings": [[0.5, -1], [2, 3]],
        "prompt_eval_count": 7,
    }


def test_a_single_answer_is_one_and_a_batchs_a_list() -> None:
    ollamas = {"model": "o", "embeddings": [[1, 2]], "prompt_eval_count": 3}
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    assert told("ollama", ollamas, single(), "gemini") == {"embedding": {"values": [1, 2]}, "usageMetadata": usage}
    found = told("ollama", ollamas, batch(one()), "gemini")
    assert found == {"embeddings": [{"values": [1, 2]}], "usageMetadata": usage}
    types.EmbedContentResponse.model_validate(found)
    without = {"model": "o", "embeddings": [[1, 2]]}
    assert "usageMetadata" not in told("ollama", without, single(), "gemini"), "unknown stays unknown"
    with pytest.raises(UpstreamBroke, match="1 vectors for 2 inputs"):
        told("ollama", ollamas, batch(one(), one()), "gemini")


def test_what_only_googles_answer_says_is_named() -> None:
    body = {"embedding": {"values": [1], "statistics": {}}, "usageMetadata": {"promptTokensDetails": []}, "new": 1}
    read = decode_embedding_answer(json.dumps(body).encode(), "gemini")
    assert [loss.pointer for loss in read.unread] == [
        "/new", "/embeddings/statistics", "/usageMetadata/promptTokensDetails",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [{}, [], {"embeddings": 5}, {"embeddings": [{}]}, {"embedding": {"values": "AA=="}}])
def test_what_is_no_answer_is_broken(body: Any) -> None:
    with pytest.raises(UpstreamBroke):
        decode_embedding_answer(json.dumps(body).encode(), "gemini")


def test_an_error_in_the_place_of_an_answer_is_raised() -> None:
    body = {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}
    with pytest.raises(UpstreamError, match="Slow down") as caught:
        decode_embedding_answer(json.dumps(body).encode(), "gemini")
    assert caught.value.status == 429


def test_the_model_is_renamed_wherever_it_stands_and_nothing_else() -> None:
    body = b'{ "model": "models/e",  "content": {"parts": [{"new": 1}]}}'
    assert renamed_embedding_request(body, "gemini", "o/p", single=True) == body.replace(b"models/e", b"models/o/p")
    both = b'{"requests": [%b,%b]}' % (body, body)
    assert renamed_embedding_request(both, "gemini", "o/p") == both.replace(b"models/e", b"models/o/p")


@given(st.binary(max_size=40), st.booleans())
def test_no_body_does_more_than_be_refused(body: bytes, is_single: bool) -> None:
    try:
        decode_embedding_request(body, "gemini", model="e", single=is_single)
    except InvalidRequest:
        return
