"""The official openai client for Node against a running gateway, for each provider behind it: chat completions."""

from __future__ import annotations

import json

import pytest

from tests.e2e.node_clients import (
    ERROR_KINDS,
    Talk,
    assert_cancelled,
    assert_the_image_arrived,
    every_way_to_leave,
    needs_node,
    plain_and_streamed,
    talk_by,
)
from tests.e2e.processes import EMBEDDING_MODELS, MODELS, TOKEN, Served, Simulated

pytestmark = needs_node


@pytest.fixture(scope="module", params=MODELS)
def talk(node_modules: None, served: Served, request: pytest.FixtureRequest) -> Talk:
    provider = request.param
    models = (MODELS[provider], EMBEDDING_MODELS.get(provider, ""))
    return talk_by("openai_chat.mjs", provider, f"{served.url}/v1", TOKEN, *models)


def test_a_plain_answer(talk: Talk) -> None:
    answer = talk["plain"]
    (choice,) = answer["choices"]
    assert choice["message"]["content"] == 'You said: "Hello, Ünïcode ✓".'
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["total_tokens"] > 0


def test_a_stream_says_the_same_and_tells_its_usage(talk: Talk) -> None:
    *chunks, last = talk["streamed"]
    said = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert "".join(said) == 'You said: "Hello, Ünïcode ✓".'
    assert len([part for part in said if part]) == 5
    assert (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]) == (11, 7)


def test_the_clients_own_stream_tells_each_piece(talk: Talk) -> None:
    assert talk["helper"]["heard"] == talk["helper"]["final"] == 'You said: "Hello".'


@pytest.mark.parametrize("scenario", ["tools", "tools_streamed"])
def test_tool_calls_and_their_results_go_round(talk: Talk, scenario: str) -> None:
    calls = talk[scenario]["calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert len({call["id"] for call in calls}) == 2
    assert "25 degrees" in talk[scenario]["after"]


def test_a_structured_answer_fits_its_schema(talk: Talk) -> None:
    assert talk["structured"] == {"city": "example", "degrees": 1}


def test_an_image_arrives_byte_for_byte(talk: Talk, simulated: Simulated) -> None:
    assert_the_image_arrived(talk, simulated)


def test_instructions_arrive_as_instructions(talk: Talk) -> None:
    assert talk["instructions"] == ["From system.", "From developer."]


def test_embeddings_are_the_same_in_both_forms(talk: Talk) -> None:
    if talk.provider not in EMBEDDING_MODELS:
        assert talk["embeddings"] is None
        return
    packed, plain = ([entry["embedding"] for entry in talk["embeddings"][form]] for form in ("packed", "plain"))
    assert packed == plain
    assert len(packed) == 2


def test_models_are_listed_and_told_one_by_one(talk: Talk) -> None:
    assert set(MODELS.values()) <= set(talk["models"]["listed"])
    assert talk["models"]["one"]["owned_by"] == talk.provider


@plain_and_streamed
@pytest.mark.parametrize(("status", "kind"), ERROR_KINDS.items())
def test_a_providers_error_is_the_clients_own(talk: Talk, status: int, kind: str, how: str) -> None:
    error = talk["errors"][f"{status}{how}"]
    assert (error["kind"], error["status"]) == (kind, status)
    assert error["requestId"].startswith("req_")


def test_a_bad_body_names_the_field(talk: Talk) -> None:
    error = talk["bad_body"]
    assert (error["kind"], error["param"]) == ("BadRequestError", "messages[0].content")


def test_a_wrong_token_and_an_unknown_model_have_their_codes(talk: Talk) -> None:
    assert (talk["wrong_token"]["kind"], talk["wrong_token"]["code"]) == ("AuthenticationError", "invalid_api_key")
    assert (talk["unknown_model"]["kind"], talk["unknown_model"]["code"]) == ("NotFoundError", "model_not_found")


def test_a_stream_that_breaks_raises(talk: Talk) -> None:
    assert talk["broken_stream"]["kind"] == "APIError"


def test_a_rate_limited_client_tries_again_when_it_was_told_to(talk: Talk, simulated: Simulated) -> None:
    assert talk["limited"]["kind"] == "RateLimitError"
    first, second = simulated.seen(f"{talk.mark}-limited")
    if talk.provider != "ollama":  # it sends no Retry-After, and the client waits as it likes
        assert second.received_at - first.received_at >= 1.0


@every_way_to_leave
def test_a_client_that_leaves_has_its_exchange_cancelled(talk: Talk, served: Served, how: str) -> None:
    assert_cancelled(talk, served, how)
