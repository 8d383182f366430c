from __future__ import annotations

import base64
import json
import struct
from typing import Any, Literal

import ollama as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from ollama import _types as sdk_types
from openai.types import CreateEmbeddingResponse
from openai.types.embedding_create_params import EmbeddingCreateParams
from pydantic import TypeAdapter

from trio_gateway.dialects.embeddings import (
    EmbeddingAnswer,
    EmbeddingRequest,
    decode_embedding_answer,
    decode_embedding_request,
    encode_embedding_answer,
    encode_embedding_request,
)
from trio_gateway.errors import InvalidRequest, UpstreamBroke, UpstreamError


def from_openai(**fields: Any) -> EmbeddingRequest:
    return decode_embedding_request(json.dumps({"model": "m", "input": "hi"} | fields).encode(), "openai_chat")


def from_ollama(**fields: Any) -> EmbeddingRequest:
    return decode_embedding_request(json.dumps({"model": "m", "input": "hi"} | fields).encode(), "ollama")


def to_ollama(request: EmbeddingRequest) -> tuple[Any, list[str]]:
    body, losses = encode_embedding_request(request, "nomic", "ollama")
    sdk_types.EmbedRequest.model_validate_json(body)
    return json.loads(body), [loss.pointer for loss in losses]


def to_openai(request: EmbeddingRequest) -> tuple[Any, list[str]]:
    body, losses = encode_embedding_request(request, "text-embedding-3-small", "openai_chat")
    TypeAdapter(EmbeddingCreateParams).validate_json(body)
    return json.loads(body), [loss.pointer for loss in losses]


def answer(body: dict[str, Any], request: EmbeddingRequest) -> tuple[Any, list[str]]:
    """Return what an OpenAI client gets for Ollama's answer."""
    read = decode_embedding_answer(json.dumps(body).encode(), "ollama")
    written, losses = encode_embedding_answer(read, request, "openai_chat")
    return json.loads(written), [loss.pointer for loss in losses]


@pytest.mark.parametrize("given_", ["hi", ["hi"], ["a", "b"]])
def test_a_text_stays_a_text_and_a_list_a_list(given_: str | list[str]) -> None:
    # A text that is too long is an error to OpenAI, where Ollama would cut it unless told not to.
    assert to_ollama(from_openai(input=given_, dimensions=64)) == (
        {"model": "nomic", "input": given_, "truncate": False, "dimensions": 64},
        [],
    )


def test_what_ollama_has_no_word_for_is_named() -> None:
    request = from_openai(user="u", encoding_format="base64", new=1, other=None)
    assert to_ollama(request)[1] == ["/new", "/user"]


@pytest.mark.parametrize("tokens", [[1, 2], [[1], [2, 3]]])
def test_tokens_are_not_for_ollama(tokens: list[Any]) -> None:
    request = from_openai(input=tokens)
    with pytest.raises(InvalidRequest) as caught:
        to_ollama(request)
    assert caught.value.pointer == "/input"


@pytest.mark.parametrize("given_", ["hi", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_every_kind_of_input_goes_back_to_openai_as_it_came(given_: Any) -> None:
    body, losses = to_openai(from_openai(input=given_, user="u", dimensions=3, encoding_format="base64"))
    assert body == {
        "model": "text-embedding-3-small",
        "input": given_ if given_ != [1, 2] else [1, 2],
        "encoding_format": "base64",
        "dimensions": 3,
        "user": "u",
    }
    assert losses == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"input": ""}, "/input"),
        ({"input": []}, "/input"),
        ({"input": ["a", ""]}, "/input/1"),
        ({"input": [[1], []]}, "/input/1"),
        ({"input": ["a", 1]}, "/input/1"),
        ({"input": [1, [2]]}, "/input/1"),
        ({"input": {"a": 1}}, "/input"),
        ({"input": [1.5]}, "/input/0"),
        ({"encoding_format": "int8"}, "/encoding_format"),
        ({"dimensions": 0}, "/dimensions"),
        ({"dimensions": "x"}, "/dimensions"),
        ({"model": None}, "/model"),
    ],
)
def test_a_bad_request_is_refused_where_it_is_wrong(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        from_openai(**fields)
    assert caught.value.pointer == pointer


def test_an_answer_keeps_order_counts_and_the_spelling_of_numbers() -> None:
    read = decode_embedding_answer(b'{"model":"n","embeddings":[[0.10, -1e-3],[2,3]],"prompt_eval_count":5}', "ollama")
    body, losses = encode_embedding_answer(read, from_openai(input=["a", "b"]), "openai_chat")
    assert body == (
        b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10, -1e-3]},'
        b'{"object":"embedding","index":1,"embedding":[2,3]}],"model":"n",'
        b'"usage":{"prompt_tokens":5,"total_tokens":5}}'
    )
    assert losses == []
    CreateEmbeddingResponse.model_validate_json(body)


def test_base64_is_little_endian_floats() -> None:
    body, _ = answer({"embeddings": [[0.5, -2.0]]}, from_openai(encoding_format="base64"))
    assert body["data"][0]["embedding"] == base64.b64encode(struct.pack("<2f", 0.5, -2.0)).decode()


def test_a_count_that_is_unknown_is_not_zero() -> None:
    body, _ = answer({"embeddings": [[1]]}, from_openai())
    assert "usage" not in body
    assert body["model"] == "m"


def test_durations_and_unknown_fields_are_named() -> None:
    _, losses = answer({"embeddings": [[1]], "total_duration": 1, "load_duration": 2, "mood": 1}, from_openai())
    assert losses == ["/total_duration", "/load_duration", "/mood"]


@pytest.mark.parametrize("vectors", [[], [[1], [2]]])
def test_a_vector_too_few_or_too_many_is_the_providers_fault(vectors: list[Any]) -> None:
    with pytest.raises(UpstreamBroke):
        answer({"embeddings": vectors}, from_openai())


@pytest.mark.parametrize("vector", [["x"], [1e39]])
def test_what_is_no_vector_of_floats_cannot_be_packed(vector: list[Any]) -> None:
    with pytest.raises(UpstreamBroke):
        answer({"embeddings": [vector]}, from_openai(encoding_format="base64"))


@pytest.mark.parametrize("source", ["ollama", "openai_chat"])
def test_an_error_in_place_of_an_answer_is_the_providers(source: Literal["ollama", "openai_chat"]) -> None:
    with pytest.raises(UpstreamError, match="too long"):
        decode_embedding_answer(b'{"error":"the input is too long"}', source)


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("ollama", b"{}"),
        ("ollama", b'{"embeddings":["AAAA"]}'),
        ("ollama", b"<html>"),
        ("openai_chat", b"{}"),
        ("openai_chat", b'{"data":[{"index":1,"embedding":[1]}]}'),
        ("openai_chat", b'{"data":[{"index":0,"embedding":{}}]}'),
        ("openai_chat", b'{"data":[{"index":0,"embedding":"AAA="}]}'),
        ("openai_chat", b'{"data":[{"index":0,"embedding":"AADAfw=="}]}'),  # not a number
    ],
)
def test_what_is_no_answer_broke(source: Literal["ollama", "openai_chat"], body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        decode_embedding_answer(body, source)


# ------------------------------------------------------------------------------------- Ollama's own clients


def test_an_ollama_client_reaches_openai() -> None:
    request = from_ollama(input=["a", "b"], truncate=False, dimensions=2)
    assert to_openai(request) == (
        {"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2},
        [],
    )
    read = decode_embedding_answer(
        b'{"object":"list","data":[{"index":1,"embedding":[2]},{"index":0,"embedding":"AACAPw=="}],"model":"t",'
        b'"usage":{"prompt_tokens":3,"total_tokens":3}}',
        "openai_chat",
    )
    body, losses = encode_embedding_answer(read, request, "ollama")
    assert json.loads(body) == {"model": "t", "embeddings": [[1.0], [2]], "prompt_eval_count": 3}
    assert losses == []
    sdk.EmbedResponse.model_validate_json(body)


def test_what_openai_has_no_word_for_is_named() -> None:
    request = from_ollama(truncate=True, keep_alive="5m", options={"num_ctx": 1, "mirostat": 1}, new=1)
    assert to_openai(request)[1] == ["/options/mirostat", "/new", "/options/num_ctx", "/truncate", "/keep_alive"]


def test_an_empty_text_is_not_for_openai() -> None:
    with pytest.raises(InvalidRequest):
        to_openai(from_ollama(input=""))


def test_ollama_says_to_ollama_what_was_said() -> None:
    body = {"model": "nomic", "input": "hi", "truncate": True, "dimensions": 4, "keep_alive": 0}
    assert to_ollama(from_ollama(**body)) == (body, [])


vectors = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5)


@given(st.lists(vectors, min_size=1, max_size=3), st.booleans(), st.none() | st.integers(0, 9))
def test_an_answer_written_for_openai_is_read_back(some: list[list[float]], packed: bool, tokens: int | None) -> None:
    request = from_openai(input=["x"] * len(some), encoding_format="base64" if packed else "float")
    given_ = EmbeddingAnswer(
        source="openai_chat",
        vectors=[Raw(json.dumps(vector).encode()) for vector in some],
        model="m",
        input_tokens=tokens,
    )
    body, _ = encode_embedding_answer(given_, request, "openai_chat")
    read = decode_embedding_answer(body, "openai_chat")
    assert [json.loads(bytes(vector)) for vector in read.vectors] == some
    assert (read.model, read.input_tokens, read.unread) == ("m", tokens, [])


BODIES = st.binary() | st.dictionaries(
    st.sampled_from(["model", "input", "data", "embeddings", "index", "options", "dimensions", "usage"]),
    st.text() | st.integers() | st.lists(st.text() | st.integers() | st.lists(st.integers())),
).map(lambda body: json.dumps(body).encode())


@given(BODIES, st.sampled_from(["openai_chat", "ollama"]))
def test_any_body_is_read_or_refused(body: bytes, dialect: Literal["openai_chat", "ollama"]) -> None:
    for target in ("openai_chat", "ollama"):
        try:
            encode_embedding_request(decode_embedding_request(body, dialect), "m", target)  # type: ignore[arg-type]
        except InvalidRequest:
            pass
    try:
        decode_embedding_answer(body, dialect)
    except UpstreamError:
        pass
