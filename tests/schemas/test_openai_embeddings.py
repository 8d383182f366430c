import msgspec
import pydantic
import pytest
from openai.types import CreateEmbeddingResponse

from gateway_schemas import openai_embeddings as embeddings


@pytest.mark.parametrize("value", ["a", ["a", "b"], [1, 2], [[1, 2], [3]]])
def test_every_form_of_input_decodes(value: object) -> None:
    body = msgspec.json.encode({"model": "m", "input": value, "encoding_format": "base64"})
    assert embeddings.request_decoder.decode(body).input == value


def test_an_input_of_another_form_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        embeddings.request_decoder.decode(b'{"model":"m","input":{"text":"a"}}')


@pytest.mark.parametrize("vector", [[0.5, -1.0], "AAAAPwAAgL8="])
def test_both_encodings_of_a_vector_go_there_and_back(vector: str | list[float]) -> None:
    usage = embeddings.EmbeddingsUsage(1, 1)
    answer = embeddings.EmbeddingsAnswer([embeddings.Embedding(0, vector)], "m", usage)
    assert embeddings.response_decoder.decode(embeddings.encode(answer)) == answer


def test_an_answer_is_what_the_sdk_takes() -> None:
    usage = embeddings.EmbeddingsUsage(1, 1)
    answer = embeddings.EmbeddingsAnswer([embeddings.Embedding(0, [0.5])], "m", usage)
    pydantic.TypeAdapter(CreateEmbeddingResponse).validate_json(embeddings.encode(answer))


def test_the_usage_is_read_without_reading_the_vectors() -> None:
    body = b'{"data":[{"embedding":[0.10, 1e-3]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}'
    answer = embeddings.raw_response_decoder.decode(body)
    assert answer.usage == embeddings.EmbeddingsUsage(2, 2)
    assert answer.data == msgspec.Raw(b'[{"embedding":[0.10, 1e-3]}]')
