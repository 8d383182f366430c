"""The official google-genai client against the simulated Gemini."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types
from trio.to_thread import run_sync as in_thread

from trio_gateway.simulator import Simulator

MODEL = "gemini-3-pro"
WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING", "enum": ["Rome"]}}},
}
TOOLS = types.GenerateContentConfig(
    tools=[types.Tool(function_declarations=[types.FunctionDeclaration(**WEATHER)])],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)


@pytest.fixture
def client(simulator: Simulator) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=simulator.origins["gemini"])
    with genai.Client(api_key="x", vertexai=False, http_options=options) as client:
        yield client


async def test_a_plain_answer_quotes_the_user(client: genai.Client) -> None:
    answer = await in_thread(lambda: client.models.generate_content(model=MODEL, contents="Hi ✓"))
    assert answer.text == 'You said: "Hi ✓".'
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.model_version == MODEL


async def test_a_stream_adds_up_and_counts_at_its_end(client: genai.Client) -> None:
    prompt = "[sim: chunks=3 reasoning=hm prompt=20 cached=5 completion=12 reasoned=4] go"
    parts = await in_thread(lambda: list(client.models.generate_content_stream(model=MODEL, contents=prompt)))
    assert "".join(part.text or "" for part in parts) == 'You said: "go".'
    thoughts = [part.candidates[0].content.parts[0] for part in parts if part.candidates[0].content.parts[0].thought]
    assert "".join(part.text or "" for part in thoughts) == "hm"
    usage = parts[-1].usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (20, 5)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (8, 4, 32)
    assert [bool(part.candidates[0].finish_reason) for part in parts] == [False] * (len(parts) - 1) + [True]


async def test_a_call_its_result_and_the_answer_make_a_round_trip(client: genai.Client) -> None:
    history: list[Any] = [types.UserContent("Use the tool.")]
    first = await in_thread(lambda: client.models.generate_content(model=MODEL, contents=history, config=TOOLS))
    assert first.function_calls is not None
    [call] = first.function_calls
    assert (call.name, call.args) == ("get_weather", {"city": "Rome"})
    history.append(first.candidates[0].content)
    response = types.FunctionResponse(id=call.id, name="get_weather", response={"output": "rain"})
    history.append(types.Content(role="user", parts=[types.Part(function_response=response)]))
    second = await in_thread(lambda: client.models.generate_content(model=MODEL, contents=history, config=TOOLS))
    assert second.text == 'The tool answered: "rain".'


async def test_only_the_first_of_parallel_calls_is_signed(client: genai.Client) -> None:
    answer = await in_thread(lambda: client.models.generate_content(model=MODEL, contents="[sim: tool=a tool=b]"))
    parts = answer.candidates[0].content.parts
    assert [part.thought_signature is not None for part in parts] == [True, False]


async def test_a_status_becomes_the_clients_error(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        await in_thread(
            lambda: client.models.generate_content(model=MODEL, contents="[sim: status=429 retry_after=34]")
        )
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert "34s" in str(caught.value.details)


async def test_an_error_inside_a_stream_is_raised(client: genai.Client) -> None:
    with pytest.raises(errors.APIError, match="simulated provider failed"):
        await in_thread(
            lambda: list(client.models.generate_content_stream(model=MODEL, contents="[sim: fail=error@2]"))
        )


async def test_tokens_embeddings_and_models(client: genai.Client) -> None:
    assert (await in_thread(lambda: client.models.count_tokens(model=MODEL, contents="x" * 40))).total_tokens >= 10
    listed = await in_thread(lambda: list(client.models.list()))
    assert f"models/{MODEL}" in [model.name for model in listed]
    assert (await in_thread(lambda: client.models.get(model=MODEL))).display_name == MODEL
    embedded = await in_thread(lambda: client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"]))
    assert [len(one.values) for one in embedded.embeddings] == [8, 8]


@pytest.mark.parametrize("directive", ["chunks=2", "fail=error@1", "error_in_200=yes", "refusal=No"])
async def test_without_sse_a_stream_is_one_array(simulator: Simulator, directive: str) -> None:
    body = {"contents": [{"parts": [{"text": f"[sim: {directive}] hi"}]}]}
    async with httpx.AsyncClient(base_url=simulator.origins["gemini"]) as http:
        answer = await http.post(f"/v1beta/models/{MODEL}:streamGenerateContent", json=body)
    *before, last = answer.json()
    assert all("candidates" in one for one in before)
    assert ("error" in last) is ("err" in directive)


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [part if isinstance(part, dict) else {"text": part} for part in parts]}


def model(*parts: Any) -> dict[str, Any]:
    return user(*parts) | {"role": "model"}


CALL = {"functionCall": {"name": "f", "args": {}}}
SIGNED = CALL | {"thoughtSignature": "skip_thought_signature_validator"}
RESULT = {"functionResponse": {"name": "f", "response": {"output": "x"}}}
DECLARED = {"functionDeclarations": [{"name": "f"}]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"messages": []}, 'Unknown name "messages"'),
    "an unknown field of a part": ({"contents": [user({"text": "x", "type": "text"})]}, "contents[0].parts[0]"),
    "an unknown keyword of a schema": (
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"oneOf": []}}]}]},
        'Unknown name "oneOf"',
    ),
    "several types": (
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": ["STRING"]}}]}]},
        "cannot start list",
    ),
    "no contents": ({"contents": []}, "contents is not specified"),
    "no parts": ({"contents": [user()]}, "must not be empty"),
    "two data in a part": ({"contents": [user({"text": "x"} | CALL)]}, "oneof field 'data'"),
    "another role": ({"contents": [user("x") | {"role": "assistant"}]}, "valid role"),
    "a result as text": (
        {"contents": [user("x"), model(SIGNED), user({"functionResponse": {"name": "f", "response": "x"}})]},
        "Struct",
    ),
    "fewer results than calls": ({"contents": [user("x"), model(SIGNED, CALL), user(RESULT)]}, "number of function"),
    "a result without a call": ({"contents": [user("x"), user(RESULT)]}, "immediately after a function call"),
    "a call first": ({"contents": [model(SIGNED), user(RESULT)]}, "comes immediately after a user turn"),
    "an unsigned call": ({"contents": [user("x"), model(CALL), user(RESULT)]}, "missing a thought_signature"),
    "a foreign signature": (
        {"contents": [user("x"), model(CALL | {"thoughtSignature": "AAAA"}), user(RESULT)]},
        "Corrupted thought signature",
    ),
    "a name with a slash": ({"tools": [{"functionDeclarations": [{"name": "a/b"}]}]}, "Invalid function name"),
    "allowed names in another mode": (
        {"tools": [DECLARED], "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}},
        "only be set when",
    ),
    "heat": ({"generationConfig": {"temperature": 3}}, "temperature"),
    "a budget and a level": (
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}},
        "only one of",
    ),
    "data that is a URL": (
        {"contents": [user({"inlineData": {"mimeType": "image/png", "data": "data:x"}})]},
        "Base64 decoding failed",
    ),
}


async def post(simulator: Simulator, body: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=simulator.origins["gemini"]) as http:
        return await http.post(f"/v1/models/{MODEL}:generateContent", json={"contents": [user("x")], **body})


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_the_provider_refuses_is_refused(simulator: Simulator, body: dict[str, Any], message: str) -> None:
    answer = await post(simulator, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"generation_config": {"max_output_tokens": 5}, "system_instruction": {"parts": [{"text": "s"}]}},
        {"contents": [user("x"), model(SIGNED, CALL), user(RESULT, RESULT)], "tools": [DECLARED]},
        {"contents": [user("x"), model(CALL), user(RESULT), model("y"), user("z")]},
        {"contents": [user({"inline_data": {"mime_type": "image/png", "data": "-_8"}})]},
    ],
)
async def test_what_the_provider_takes_is_taken(simulator: Simulator, body: dict[str, Any]) -> None:
    assert (await post(simulator, body)).status_code == 200


async def test_a_choice_among_values_comes_without_quotes(client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        response_mime_type="text/x.enum", response_schema={"type": "STRING", "enum": ["clear", "grey"]}
    )
    answer = await in_thread(lambda: client.models.generate_content(model=MODEL, contents="The sky?", config=config))
    assert answer.text == "clear"
