"""Anthropic's official client for Node against a running gateway, for each provider behind it."""

from __future__ import annotations

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
from tests.e2e.processes import MODELS, TOKEN, Served, Simulated

pytestmark = needs_node


@pytest.fixture(scope="module", params=MODELS)
def talk(node_modules: None, served: Served, request: pytest.FixtureRequest) -> Talk:
    provider = request.param
    return talk_by("anthropic_messages.mjs", provider, served.url, TOKEN, MODELS[provider])


def test_a_plain_answer(talk: Talk) -> None:
    answer = talk["plain"]
    (block,) = answer["content"]
    assert (block["type"], block["text"]) == ("text", 'You said: "Hello, Ünïcode ✓".')
    assert (answer["role"], answer["stop_reason"]) == ("assistant", "end_turn")
    assert answer["usage"]["input_tokens"] > 0


def test_the_id_of_a_request_is_where_the_client_looks_for_it(talk: Talk) -> None:
    assert talk["request_id"] == f"{talk.mark}-id"


def test_a_system_prompt_reaches_the_provider(talk: Talk, simulated: Simulated) -> None:
    (request,) = simulated.seen(f"{talk.mark}-system")
    assert request.provider == talk.provider


def test_a_stream_says_the_same_and_tells_its_usage(talk: Talk) -> None:
    events = talk["streamed"]
    said = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(said) == 'You said: "Hello, Ünïcode ✓".'
    assert len(said) == 5
    start, *_, end, stop = events
    assert (start["type"], end["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
    assert end["delta"]["stop_reason"] == "end_turn"
    assert {**start["message"]["usage"], **end["usage"]}.items() >= {"input_tokens": 11, "output_tokens": 7}.items()


def test_the_clients_own_stream_tells_each_piece(talk: Talk) -> None:
    assert talk["helper"]["heard"] == talk["helper"]["final"] == 'You said: "Hello".'


@pytest.mark.parametrize("scenario", ["tools", "tools_streamed"])
def test_tool_calls_and_their_results_go_round(talk: Talk, scenario: str) -> None:
    calls = talk[scenario]["calls"]
    assert [call["input"] for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert len({call["id"] for call in calls}) == 2
    assert talk[scenario]["stopped"] == ["tool_use", "end_turn"]
    assert "25 degrees" in talk[scenario]["after"]


@pytest.mark.parametrize("scenario", ["tool_runner", "tool_runner_streamed"])
def test_the_clients_own_runner_answers_the_calls_without_a_thread_kept_for_it(talk: Talk, scenario: str) -> None:
    assert "25 degrees in Rome" in talk[scenario]


def test_a_structured_answer_fits_its_schema(talk: Talk) -> None:
    assert talk["structured"] == {"city": "example", "degrees": 1}


def test_an_image_arrives_byte_for_byte(talk: Talk, simulated: Simulated) -> None:
    assert_the_image_arrived(talk, simulated)


def test_tokens_are_counted(talk: Talk) -> None:
    assert talk["counted"]["input_tokens"] > 0


def test_models_are_listed_and_told_one_by_one(talk: Talk) -> None:
    assert set(MODELS.values()) <= set(talk["models"]["listed"])
    assert (talk["models"]["one"]["type"], talk["models"]["one"]["id"]) == ("model", MODELS[talk.provider])


@plain_and_streamed
@pytest.mark.parametrize(
    ("status", "type_"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
    ],
)
def test_a_providers_error_is_the_clients_own(talk: Talk, status: int, type_: str, how: str) -> None:
    error = talk["errors"][f"{status}{how}"]
    assert (error["kind"], error["status"], error["type"]) == (ERROR_KINDS[status], status, type_)
    assert error["requestId"].startswith("req_")


def test_an_overloaded_provider_is_the_clients_own_error_too(talk: Talk) -> None:
    error = talk["overloaded"]
    assert (error["kind"], error["status"], error["type"]) == ("OverloadedError", 529, "overloaded_error")


def test_a_bad_body_names_the_field(talk: Talk) -> None:
    assert talk["bad_body"]["kind"] == "BadRequestError"
    # Anthropic's own words pass through; ours point to the field as a JSON pointer does.
    named = "messages.0.content" if talk.provider == "anthropic" else "/messages/0/content"
    assert named in talk["bad_body"]["message"]


def test_a_wrong_token_and_an_unknown_model_have_their_classes(talk: Talk) -> None:
    assert (talk["wrong_token"]["kind"], talk["wrong_token"]["status"]) == ("AuthenticationError", 401)
    assert (talk["unknown_model"]["kind"], talk["unknown_model"]["status"]) == ("NotFoundError", 404)
    assert "claude-maxi" in talk["unknown_model"]["message"]


def test_a_stream_that_breaks_raises(talk: Talk) -> None:
    assert (talk["broken_stream"]["kind"], talk["broken_stream"]["type"]) == ("APIError", "api_error")


def test_a_rate_limited_client_tries_again(talk: Talk, simulated: Simulated) -> None:
    assert talk["limited"]["kind"] == "RateLimitError"
    assert len(simulated.seen(f"{talk.mark}-limited")) == 2


@every_way_to_leave
def test_a_client_that_leaves_has_its_exchange_cancelled(talk: Talk, served: Served, how: str) -> None:
    assert_cancelled(talk, served, how)
