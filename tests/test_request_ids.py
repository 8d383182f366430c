from __future__ import annotations

import re

from trio_gateway.request_ids import RequestIds


def test_ids_differ_within_a_process_and_from_one_to_the_next() -> None:
    first, second = RequestIds(), RequestIds()
    ids = [next(first) for _ in range(100)] + [next(second) for _ in range(100)]
    assert len(set(ids)) == 200
    assert all(re.fullmatch(rb"req_[0-9a-f]{24}", id_) for id_ in ids)
