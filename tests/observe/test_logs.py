import io
import json
import logging

from trio_gateway.dialects.conversation import Loss, Usage
from trio_gateway.errors import InvalidRequest, Unavailable, UpstreamBroke, UpstreamTimeout
from trio_gateway.ledger.record import Record
from trio_gateway.observe.logs import ExchangeLog, JsonFormatter, form_for


def record() -> Record:
    return Record(
        request_id="req_1",
        endpoint="chat.completions",
        started_s=10.0,
        model="fast",
        channel="openai",
        target_model="gpt-5",
        stream=True,
        status=200,
        outcome="ok",
        first_event_s=10.0123,
        ended_s=11.5,
        usage=Usage(12, 34, 5),
    )


def written(form: str, entry: Record) -> str:
    stream = io.StringIO()
    ExchangeLog(form, stream, lambda: 1_800_000_000.9).write(entry)  # type: ignore[arg-type]  # one of the three
    return stream.getvalue()


def test_the_json_line_has_every_field_an_operator_asks_for() -> None:
    line = json.loads(written("json", record()))
    assert line == {
        "time": "2027-01-15T08:00:00Z",
        "event": "exchange",
        "request_id": "req_1",
        "endpoint": "chat.completions",
        "outcome": "ok",
        "status": 200,
        "model": "fast",
        "channel": "openai",
        "target_model": "gpt-5",
        "stream": True,
        "first_event_ms": 12.3,
        "total_ms": 1500.0,
        "tokens_in": 12,
        "tokens_out": 34,
        "tokens_cached": 5,
    }


def test_what_was_lost_on_either_way_is_counted_and_named() -> None:
    entry = record()
    entry.lost_of_request([Loss("/seed", "why")])
    entry.lost_of_answer([Loss("/total_duration", "why"), Loss("/load_duration", "why")])
    line = json.loads(written("json", entry))
    assert (line["losses"], line["lost"]) == (1, ["/seed"])
    assert (line["answer_losses"], line["answer_lost"]) == (2, ["/total_duration", "/load_duration"])


def test_the_text_line_is_one_line_whatever_an_error_says() -> None:
    entry = record()
    entry.failed(UpstreamBroke("two\nlines"))
    text = written("text", entry)
    assert text.count("\n") == 1
    assert "fast → openai/gpt-5" in text
    assert "upstream_error" in text
    assert "two lines" in text


def test_an_outcome_says_whose_fault_it_was() -> None:
    outcomes = []
    for error in (InvalidRequest("x"), UpstreamBroke("x"), UpstreamTimeout("x"), Unavailable("x")):
        entry = record()
        entry.failed(error)
        outcomes.append(entry.outcome)
    assert outcomes == ["client_error", "upstream_error", "timeout", "gateway_error"]


def test_unknown_counts_are_absent_and_not_zero() -> None:
    entry = record()
    entry.usage = None
    assert "tokens_in" not in json.loads(written("json", entry))


def test_a_closed_stderr_does_not_fail_the_exchange() -> None:
    stream = io.StringIO()
    log = ExchangeLog("json", stream, lambda: 0)
    stream.close()
    log.write(record())
    log.write(record())


def test_off_writes_nothing() -> None:
    assert written("off", record()) == ""


def test_auto_is_json_where_nobody_looks() -> None:
    assert form_for("auto", io.StringIO()) == "json"
    assert form_for("text", io.StringIO()) == "text"


def test_other_events_are_json_lines_too() -> None:
    entry = logging.LogRecord("trio_gateway.server", logging.ERROR, "", 0, "it %s", ("broke",), None)
    line = json.loads(JsonFormatter().format(entry))
    assert (line["event"], line["level"], line["message"]) == ("trio_gateway.server", "error", "it broke")
