"""What is quoted of a body that nobody can read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects import dialect
from trio_gateway.dialects.quotes import QUOTE_MAX, quoted

PAGE = b"""<!DOCTYPE html><html><head><title>502</title><style>h1 { color: red }</style>
<script type="text/javascript">alert("<b>1</b>")</script><!-- <p>nginx --></head>
<body onload="go()"><h1>Bad   gateway</h1><SCRIPT>again()</SCRIPT ></body></html>"""


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        (PAGE, "502 Bad gateway"),
        (b"upstream connect error\r\n or disconnect", "upstream connect error or disconnect"),
        (b"<script>never ends", ""),
        (b"<!-- never ends", ""),
        (b"a < b, and 3 <4", "a < b, and 3 <4"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_a_body_is_quoted_as_one_line_of_plain_text(body: bytes, quote: str) -> None:
    assert quoted(body) == quote


def test_a_quote_is_short() -> None:
    assert quoted(b"x\n" * 100_000) == ("x " * QUOTE_MAX)[: QUOTE_MAX - 1] + "…"


@given(st.lists(st.sampled_from(["<", ">", "<script>", "</script>", "<!--", "-->", "<b ", "/", "x", "\n"])))
def test_no_tag_or_script_is_left(pieces: list[str]) -> None:
    text = quoted("".join(pieces).encode())
    assert "<script>" not in text
    assert "\n" not in text


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic_messages", "gemini", "ollama"])
def test_every_dialect_quotes_a_page_in_the_same_way(name: str) -> None:
    message = dialect(name).decode_error(502, {}, PAGE).message
    assert message.endswith("502 Bad gateway")
    assert not set("<>{}") & set(message)
