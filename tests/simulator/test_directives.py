"""The grammar of directives."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.simulator.directives import ALLOWED, strip_directives
from trio_gateway.simulator.script import Rejected, Script, ToolCall


def test_text_without_directives_is_left_alone() -> None:
    assert strip_directives(" a [b] c ") == ("a [b] c", {})


def test_everything_can_be_said() -> None:
    text = (
        'Before [sim: chunks=5 gap_ms=20 latency_ms=1.5 first_ms=2 fail=cut@2 tool=f args={"a": "]"} tool=g'
        ' text="x \\"]\\" y" status=429 error=slow retry_after=3 silence=headers error_in_200=yes interleave=no] after'
        " [sim:prompt=1 completion=2 cached=3 cache_write=4 reasoned=5 finish=length fragments=6]"
    )
    kept, changes = strip_directives(text)
    assert kept == "Before  after"
    assert changes == {
        "chunks": 5,
        "gap_s": 0.02,
        "latency_s": 0.0015,
        "first_wait_s": 0.002,
        "fail_how": "cut",
        "fail_after": 2,
        "tool_calls": (ToolCall("f", '{"a": "]"}'), ToolCall("g", "")),
        "text": 'x "]" y',
        "status": 429,
        "error_kind": "slow",
        "retry_after_s": 3.0,
        "silence": "headers",
        "error_in_200": True,
        "interleave": False,
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "cached_tokens": 3,
        "cache_write_tokens": 4,
        "reasoning_tokens": 5,
        "finish": "length",
        "fragments": 6,
    }
    assert changes.keys() <= set(Script.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[sim: chunk=5]", "unknown directive 'chunk'"),
        ("[sim: chunks]", "'chunks' has no value"),
        ("[sim: chunks=5", "not closed"),
        ("[sim:", "not closed"),
        ("[sim: chunks=0]", "whole number from 1"),
        ("[sim: chunks=-1]", "whole number"),
        ("[sim: chunks=²]", "whole number"),
        ("[sim: gap_ms=x]", "number"),
        ("[sim: gap_ms=nan]", "seconds"),
        ("[sim: gap_ms=1e300]", "seconds"),
        ("[sim: fail=hard]", "one of error, cut, eof, fin, silence"),
        ("[sim: fail=cut@x]", "whole number"),
        ("[sim: args={}]", "after the 'tool'"),
        ('[sim: tool=f args={"a"]', "not JSON"),
        ("[sim: silence=always]", "one of headers, body"),
        ("[sim: =5]", "unknown directive ''"),
        ("[sim: status=100]", "from 200 to 599"),
    ],
)
def test_a_mistake_is_named_together_with_what_is_allowed(text: str, problem: str) -> None:
    with pytest.raises(Rejected) as caught:
        strip_directives(text)
    assert caught.value.status == 400
    assert problem in caught.value.message
    assert ", ".join(ALLOWED) in caught.value.message


keys = st.sampled_from(ALLOWED) | st.text(max_size=6)
values = st.text(max_size=12) | st.sampled_from(['"', "{", '{"a":1}', "cut@1", "yes", "3", "]", "[sim:", "9" * 5000])
blocks = st.lists(st.tuples(keys, values), max_size=5).map(
    lambda pairs: "[sim: " + " ".join(f"{key}={value}" for key, value in pairs) + "]"
)


@given(st.text() | blocks | st.lists(blocks | st.text()).map("".join))
@example("[sim: args={" + '"a":' * 5)
@example("[sim: tool=f args=" + "[" * 100_000)
@example('[sim: tool=f args={"a":' + "[" * 100_000)
@example('[sim: text="\\ud800"]')
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        kept, changes = strip_directives(text)
    except Rejected:
        return
    assert changes.keys() <= set(Script.__struct_fields__)
    assert len(kept) <= len(text)
