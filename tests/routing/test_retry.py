from random import Random

import pytest

from trio_gateway.dialects import anthropic_messages, gemini, openai_chat
from trio_gateway.errors import (
    GatewayError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamBroke,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from trio_gateway.routing.retry import Blame, Verdict, backoff_s, blame, judge, most_telling, refusal, wait_s
from trio_gateway.routing_config import RetryConfig

RETRY = RetryConfig()
QUOTA = UpstreamError("You exceeded your quota.", status=429, code="insufficient_quota", retryable=False)


def of(status: int, message: str = "It failed.", **members: object) -> UpstreamError:
    return UpstreamError(message, status=status, **members)  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("error", "verdict", "blamed"),
    [
        (UpstreamUnreachable("refused"), Verdict.AGAIN, Blame.FAILED),
        (UpstreamTimeout("silent"), Verdict.AGAIN, Blame.FAILED),
        (UpstreamBroke("cut"), Verdict.AGAIN, Blame.FAILED),
        (of(408), Verdict.AGAIN, Blame.NOTHING),
        (of(409), Verdict.AGAIN, Blame.NOTHING),
        (of(429), Verdict.AGAIN, Blame.FAILED),
        (of(500), Verdict.AGAIN, Blame.FAILED),
        (of(529), Verdict.AGAIN, Blame.FAILED),
        (of(501), Verdict.STOP, Blame.FAILED),
        (of(500, retryable=False), Verdict.ELSEWHERE, Blame.FAILED),
        (QUOTA, Verdict.ELSEWHERE, Blame.NOTHING),
        (of(400), Verdict.STOP, Blame.HEALTHY),
        (of(400, retryable=True), Verdict.AGAIN, Blame.HEALTHY),
        (of(401), Verdict.ELSEWHERE, Blame.NOTHING),
        (of(402), Verdict.ELSEWHERE, Blame.NOTHING),
        (of(403), Verdict.ELSEWHERE, Blame.NOTHING),
        (of(404, "There is nothing at /v2."), Verdict.STOP, Blame.HEALTHY),
        (of(404, "model 'x' not found"), Verdict.ELSEWHERE, Blame.HEALTHY),
        (of(404, code="model_not_found"), Verdict.ELSEWHERE, Blame.HEALTHY),
        (of(413), Verdict.STOP, Blame.HEALTHY),
        (of(422), Verdict.STOP, Blame.HEALTHY),
        (InvalidRequest("This target has no tools."), Verdict.ELSEWHERE, Blame.NOTHING),
        (Unavailable("resting"), Verdict.ELSEWHERE, Blame.NOTHING),
        (TooManyRequests("full"), Verdict.ELSEWHERE, Blame.NOTHING),
        (GatewayError("a bug"), Verdict.STOP, Blame.NOTHING),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_each_error_leads_somewhere_and_blames_whom_it_should(
    error: GatewayError, verdict: Verdict, blamed: Blame
) -> None:
    assert judge(error, RETRY, ()) is verdict
    assert blame(error) is blamed


def test_only_what_is_listed_is_retried() -> None:
    retry = RetryConfig(on=["connect", 418])
    assert judge(UpstreamUnreachable("x"), retry, ()) is Verdict.AGAIN
    assert judge(of(418), retry, ()) is Verdict.AGAIN
    assert judge(of(500), retry, ()) is Verdict.STOP
    assert judge(UpstreamTimeout("x"), retry, ()) is Verdict.STOP


CONTEXT = [
    openai_chat.decode_error(
        400, {}, b'{"error":{"message":"Too long.","type":"invalid_request_error","code":"context_length_exceeded"}}'
    ),
    anthropic_messages.decode_error(
        400,
        {},
        b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens"}}',
    ),
    gemini.decode_error(
        400,
        {},
        b'{"error":{"code":400,"status":"INVALID_ARGUMENT",'
        b'"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."}}',
    ),
]
POLICY = [
    openai_chat.decode_error(
        400,
        {},
        b'{"error":{"message":"No.","type":"invalid_request_error","code":"content_policy_violation"}}',
    ),
    openai_chat.decode_error(
        400, {}, b'{"error":{"message":"triggered Azure OpenAI\'s content management policy","code":"content_filter"}}'
    ),
]


@pytest.mark.parametrize("error", CONTEXT)
def test_a_prompt_that_is_too_long_goes_elsewhere_only_where_asked_for(error: UpstreamError) -> None:
    assert refusal(error) == "context_length"
    assert judge(error, RETRY, ()) is Verdict.STOP
    assert judge(error, RETRY, {"content_policy"}) is Verdict.STOP
    assert judge(error, RETRY, {"context_length"}) is Verdict.ELSEWHERE


@pytest.mark.parametrize("error", POLICY)
def test_a_refused_content_goes_elsewhere_only_where_asked_for(error: UpstreamError) -> None:
    assert refusal(error) == "content_policy"
    assert judge(error, RETRY, {"context_length"}) is Verdict.STOP
    assert judge(error, RETRY, {"content_policy"}) is Verdict.ELSEWHERE


def test_an_ordinary_refusal_is_neither() -> None:
    assert refusal(of(400, "temperature must be at most 2")) is None
    assert refusal(of(500, "context length")) is None


def test_the_backoff_doubles_and_is_jittered_within_its_bound() -> None:
    retry, chance = RetryConfig(backoff_s=1, backoff_max_s=8), Random(1)
    for again, full_s in enumerate([1, 2, 4, 8, 8, 8]):
        drawn = {backoff_s(retry, again, chance) for _ in range(50)}
        assert all(full_s / 2 <= waited <= full_s for waited in drawn)
        assert len(drawn) > 10


def test_retry_after_is_obeyed_up_to_the_bound_and_else_not_waited_for() -> None:
    retry, chance = RetryConfig(backoff_s=1, backoff_max_s=8), Random(1)
    assert wait_s(of(429, retry_after_s=5), retry, 0, chance) == 5
    assert wait_s(of(429, retry_after_s=0), retry, 0, chance) >= 0.5  # type: ignore[operator]  # None fails as well
    assert wait_s(of(429, retry_after_s=8.1), retry, 0, chance) is None


def test_the_most_telling_error_is_what_the_client_can_act_on() -> None:
    in_order = [
        of(400, "temperature"),
        InvalidRequest("no tools here"),
        of(429),
        of(500),
        of(401),
        UpstreamTimeout("silent"),
        UpstreamBroke("cut"),
        UpstreamUnreachable("refused"),
        TooManyRequests("full"),
        Unavailable("resting"),
    ]
    for index, telling in enumerate(in_order):
        assert most_telling(reversed(in_order[index:])) is telling
    first, second = of(500, "first"), of(503, "second")
    assert most_telling([first, second]) is first
