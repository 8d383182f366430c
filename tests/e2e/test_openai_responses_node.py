"""The official openai client for Node against a running gateway, for each provider behind it: responses."""

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
from tests.e2e.processes import MODELS, TOKEN, Served, Simulated

pytestmark = needs_node


@pytest.fixture(scope="module", params=MODELS)
def talk(node_modules: None, served: Served, request: pytest.FixtureRequest) -> Talk:
    provider = request.param
    return talk_by("openai_responses.mjs", provider, f"{served.url}/v1", TOKEN, MODELS[provider])


def test_a_plain_answer(talk: Talk) -> None:
    answer = talk["plain"]
    assert answer["output_text"] == 'You said: "Hello, Ünïcode ✓".'
    assert (answer["object"], answer["status"]) == ("response", "completed")
    assert answer["usage"]["total_tokens"] == answer["usage"]["input_tokens"] + answer["usage"]["output_tokens"] > 0


def test_instructions_reach_the_provider(talk: Talk, simulated: Simulated) -> None:
    (request,) = simulated.seen(f"{talk.mark}-instructions")
    assert request.provider == talk.provider


def test_a_stream_says_the_same_and_tells_its_usage(talk: Talk) -> None:
    events = talk["streamed"]
    said = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(said) == 'You said: "Hello, Ünïcode ✓".'
    assert len(said) == 5
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    usage = events[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (11, 7)


def test_the_clients_own_stream_tells_each_piece(talk: Talk) -> None:
    assert talk["helper"]["heard"] == talk["helper"]["final"] == 'You said: "Hello".'


@pytest.mark.parametrize("scenario", ["tools", "tools_streamed"])
def test_tool_calls_and_their_results_go_round(talk: Talk, scenario: str) -> None:
    calls = talk[scenario]["calls"]
    assert [json.loads(call["arguments"]) for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert len({call["call_id"] for call in calls}) == 2
    assert "25 degrees" in talk[scenario]["after"]


def test_a_structured_answer_fits_its_schema(talk: Talk) -> None:
    assert talk["structured"] == {"city": "example", "degrees": 1}


def test_an_image_arrives_byte_for_byte(talk: Talk, simulated: Simulated) -> None:
    assert_the_image_arrived(talk, simulated)


@plain_and_streamed
@pytest.mark.parametrize(("status", "kind"), ERROR_KINDS.items())
def test_a_providers_error_is_the_clients_own(talk: Talk, status: int, kind: str, how: str) -> None:
    error = talk["errors"][f"{status}{how}"]
    assert (error["kind"], error["status"]) == (kind, status)
    assert error["requestId"].startswith("req_")


def test_a_bad_body_names_the_field(talk: Talk) -> None:
    assert (talk["bad_body"]["kind"], talk["bad_body"]["param"]) == ("BadRequestError", "input")


def test_a_wrong_token_and_an_unknown_model_have_their_codes(talk: Talk) -> None:
    assert (talk["wrong_token"]["kind"], talk["wrong_token"]["code"]) == ("AuthenticationError", "invalid_api_key")
    assert (talk["unknown_model"]["kind"], talk["unknown_model"]["code"]) == ("NotFoundError", "model_not_found")


def test_a_stream_that_breaks_says_so_and_is_never_completed(talk: Talk) -> None:
    broken = talk["broken_stream"]
    assert "response.output_text.delta" in broken["kinds"]
    assert broken["kinds"][-1] in ("error", "response.failed")
    assert "response.completed" not in broken["kinds"]
    assert broken["message"]


def test_a_rate_limited_client_tries_again(talk: Talk, simulated: Simulated) -> None:
    assert talk["limited"]["kind"] == "RateLimitError"
    assert len(simulated.seen(f"{talk.mark}-limited")) == 2


@every_way_to_leave
def test_a_client_that_leaves_has_its_exchange_cancelled(talk: Talk, served: Served, how: str) -> None:
    assert_cancelled(talk, served, how)
