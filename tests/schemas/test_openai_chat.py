import msgspec
import pydantic
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway_schemas import openai_chat as chat


def test_an_unknown_type_of_part_decodes_with_no_content_member_set() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":[{"type":"hologram","data":1}]}]}'
    (message,) = chat.request_decoder.decode(body).messages
    assert message.content == [chat.ContentPart("hologram")]


def test_unknown_members_are_skipped_at_every_level() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"a","x":1}],"y":{"z":[]}}'
    assert chat.request_decoder.decode(body) == chat.Request("m", [chat.UserMessage("a")])


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[]}',
        b'{"model":"m"}',
        b'{"model":"m","messages":[{"role":"wizard","content":"a"}]}',
        b'{"model":"m","messages":[{"content":"a"}]}',
        b'{"model":"m","messages":[{"role":"tool","content":"a"}]}',
    ],
)
def test_a_request_that_lacks_what_is_required_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        chat.request_decoder.decode(body)


def test_a_request_writes_what_is_set_and_nothing_else() -> None:
    request = chat.Request("m", [chat.ToolMessage("call_1", "21 °C")], temperature=0.0)
    expected = '{"model":"m","messages":[{"role":"tool","tool_call_id":"call_1","content":"21 °C"}],"temperature":0.0}'
    assert chat.encode(request).decode() == expected


def test_a_schema_keeps_its_bytes() -> None:
    body = b'{"name":"f","parameters":{ "b": 1.0,  "a":1e2 }}'
    function = msgspec.json.decode(body, type=chat.Function)
    assert chat.encode(function) == b'{"name":"f","parameters":{ "b": 1.0,  "a":1e2 }}'


def test_answers_write_null_where_the_wire_does_and_leave_out_what_is_unset() -> None:
    message = chat.AnswerMessage()
    assert chat.encode(message) == b'{"role":"assistant","content":null,"refusal":null}'
    assert chat.encode(chat.ErrorBody(chat.ErrorDetail("no", "server_error"))) == (
        b'{"error":{"message":"no","type":"server_error","param":null,"code":null}}'
    )


def test_an_answer_is_what_the_sdk_takes() -> None:
    answer = chat.Answer(
        "chatcmpl-1", created=1, model="m", choices=[chat.Choice(chat.AnswerMessage(content="a"), "stop")]
    )
    answer.usage = chat.Usage(1, 2, 3)
    pydantic.TypeAdapter(ChatCompletion).validate_json(chat.encode(answer), strict=True)


def test_a_chunk_is_what_the_sdk_takes() -> None:
    chunk = chat.Chunk("chatcmpl-1", created=1, model="m", choices=[chat.ChunkChoice(0, chat.Delta(content="a"))])
    pydantic.TypeAdapter(ChatCompletionChunk).validate_json(chat.encode(chunk), strict=True)
    assert b'"finish_reason":null' in chat.encode(chunk)


def test_the_prelude_that_azure_sends_decodes() -> None:
    chunk = chat.chunk_decoder.decode(
        b'{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}'
    )
    assert chunk.choices == []


def test_a_chunk_without_a_finish_reason_decodes() -> None:
    chunk = chat.chunk_decoder.decode(b'{"id":"x","choices":[{"index":0,"delta":{"role":"","content":"a"}}]}')
    assert chunk.choices is not None
    assert chunk.choices[0].finish_reason is None
