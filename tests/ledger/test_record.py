from __future__ import annotations

from trio_gateway.dialects.conversation import Loss
from trio_gateway.ledger.record import Record


def test_losses_are_counted_and_the_first_fields_named_once_each() -> None:
    record = Record(request_id="r", endpoint="e", started_s=0.0)
    record.lost_of_request([])
    assert (record.losses, record.lost) == (0, [])
    record.lost_of_request([Loss(f"/{letter}", "why") for letter in "aabcdefgh"])
    assert (record.losses, record.lost) == (9, ["/a", "/b", "/c", "/d", "/e"])
    record.lost_of_answer([Loss("/x", "one"), Loss("/x", "two")])
    assert (record.answer_losses, record.answer_lost) == (2, ["/x"])
