"""Chunked bodies: strict in their framing, bounded in their size, wherever they are split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.errors import ClientError
from trio_gateway.server.request_body import CHUNK_LINE_MAX_BYTES, OVERHEAD_MAX_BYTES, ChunkedDecoder
from trio_gateway.server_config import ServerConfig

CONFIG = ServerConfig(max_body_bytes=100_000, header_count_max=2, header_max_bytes=256)


def decode(*pieces: bytes) -> tuple[bytes, bytes, bool]:
    """The body, what is left behind it, and whether it is whole."""
    decoder = ChunkedDecoder(CONFIG)
    body: list[bytes] = []
    rest = b""
    for piece in pieces:
        rest = decoder.decode(rest + piece, body)
    return b"".join(body), rest, decoder.done


def status(*pieces: bytes) -> int:
    with pytest.raises(ClientError) as caught:
        decode(*pieces)
    return caught.value.status


@given(
    parts=st.lists(st.binary(min_size=1, max_size=50), max_size=5),
    size=st.integers(1, 20),
    behind=st.binary(max_size=5),
)
def test_chunks_give_the_body_they_were_made_from_however_they_are_split(parts, size, behind):
    data = b"".join(b"%X;x=y\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nT: x\r\n\r\n"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    pieces[-1] += behind
    assert decode(*pieces) == (b"".join(parts), behind, True)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"g\r\n",
        b"0x1\r\n",
        b"-1\r\n",
        b"1 \r\n",
        b" 1\r\n",
        b"1\n",
        b"1;\0\r\n",
        b"f" * 17 + b"\r\n",
        b"1\r\nab",
        b"1\r\na\n",
        b"1\r\na\rb",
        b"0\r\nno colon\r\n",
        b"0\r\nx : y\r\n",
        b"0\r\n folded\r\n",
        b"0\r\n\n",
    ],
)
def test_malformed_chunks_are_refused(data):
    assert status(data) == 400
    assert status(*(data[at : at + 1] for at in range(len(data)))) == 400


def test_a_body_may_have_max_body_bytes_and_no_more_whatever_its_chunks_say():
    assert len(decode(b"186A0\r\n", b"x" * 100_000, b"\r\n0\r\n\r\n")[0]) == 100_000
    assert status(b"186A1\r\n") == 413
    assert status(b"1869F\r\n", b"x" * 99_999, b"\r\n1\r\nx\r\n1\r\n") == 413
    assert status(b"ffffffffffffffff\r\n") == 413


def test_the_line_of_a_chunk_is_bounded():
    line = b"1;" + b"x" * (CHUNK_LINE_MAX_BYTES - 2)
    assert decode(line, b"\r\n") == (b"", b"", False)
    assert status(line + b"x", b"\r\n") == 400
    assert status(line + b"xx") == 400


def test_chunks_that_are_mostly_extensions_are_refused_in_the_end():
    chunk = b"1;" + b"x" * 1016 + b"\r\na\r\n"  # a thousand bytes more than its share
    fits = OVERHEAD_MAX_BYTES // 1000
    assert decode(chunk * fits)[0] == b"a" * fits
    assert status(chunk * (fits + 1)) == 400


def test_chunks_of_one_byte_are_not_taken_for_an_attack():
    assert decode(b"1\r\na\r\n" * 20_000)[0] == b"a" * 20_000


def test_trailers_are_bounded_like_headers():
    assert decode(b"0\r\na: 1\r\nb: 2\r\n\r\n") == (b"", b"", True)
    assert status(b"0\r\na: 1\r\nb: 2\r\nc: 3\r\n") == 431
    assert decode(b"0\r\na: " + b"x" * (256 - 5) + b"\r\n\r\n")[2]
    assert status(b"0\r\na: " + b"x" * (256 - 4) + b"\r\n\r\n") == 431
