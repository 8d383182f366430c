"""Content codings undone, in bounded pieces."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.transport.content_coding import CodingError, ContentDecoder, open_decoder
from trio_gateway.transport.limits import DecodingLimits


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def encoders() -> list[object]:
    found: list[object] = [
        pytest.param(b"gzip", gzip.compress, id="gzip"),
        pytest.param(b"GZIP", gzip.compress, id="upper case"),
        pytest.param(b"identity, x-gzip", gzip.compress, id="x-gzip"),
        pytest.param(b"deflate", zlib.compress, id="deflate"),
        pytest.param(b"deflate", bare_deflate, id="bare deflate"),
    ]
    for coding, library in ((b"br", "brotli"), (b"zstd", "compression.zstd"), (b"zstd", "backports.zstd")):
        try:
            module = pytest.importorskip(library)
        except pytest.skip.Exception:
            continue
        found.append(pytest.param(coding, module.compress, id=library))
    return found


Encode = Callable[[bytes], bytes]
every_coding = pytest.mark.parametrize(("coding", "encode"), encoders())


def opened(coding: bytes, limits: DecodingLimits | None = None) -> ContentDecoder:
    decoder = open_decoder(coding, limits or DecodingLimits())
    assert decoder is not None
    return decoder


def decode(decoder: ContentDecoder, pieces: list[bytes]) -> list[bytes]:
    decoded = []
    for piece in pieces:
        decoder.feed(piece)
        while taken := decoder.take():
            decoded.append(taken)
    decoder.finish()
    return decoded


@every_coding
@given(body=st.binary(max_size=300) | st.binary(max_size=20).map(lambda piece: piece * 500), step=st.integers(1, 400))
def test_however_it_is_split_it_comes_out_as_it_was(coding: bytes, encode: Encode, body: bytes, step: int) -> None:
    encoded = encode(body)
    pieces = [encoded[i : i + step] for i in range(0, len(encoded), step)]
    assert b"".join(decode(opened(coding), pieces)) == body


@every_coding
def test_pieces_are_bounded_and_nothing_is_lost_between_them(coding: bytes, encode: Encode) -> None:
    body = bytes(range(256)) * 400
    pieces = decode(opened(coding, DecodingLimits(piece_bytes_max=1000, ratio_max=10_000)), [encode(body)])
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= 1000 or coding == b"br"  # brotli gives by the block, at least


@every_coding
def test_a_bomb_is_refused_long_before_it_is_unpacked(coding: bytes, encode: Encode) -> None:
    decoder = opened(coding)
    decoder.feed(encode(bytes(40_000_000)))
    taken = 0
    with pytest.raises(CodingError, match="more than 200 times its size"):  # noqa: PT012 - the loop is what must end
        while piece := decoder.take():
            assert len(piece) <= DecodingLimits().piece_bytes_max
            taken += len(piece)
    assert taken < 10_000_000


@every_coding
def test_a_body_cut_short_is_no_body(coding: bytes, encode: Encode) -> None:
    encoded = encode(b"some text, some more text")
    for end in range(1, len(encoded)):
        with pytest.raises(CodingError, match="cut off"):
            decode(opened(coding), [encoded[:end]])


@every_coding
def test_what_follows_the_end_is_refused(coding: bytes, encode: Encode) -> None:
    encoded = encode(b"some text")
    for pieces in ([encoded + b"junk"], [encoded, b"junk"]):
        with pytest.raises(CodingError):
            decode(opened(coding), pieces)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_garbage_is_refused(coding: bytes) -> None:
    with pytest.raises(CodingError, match="malformed"):
        decode(opened(coding), [b"\xff\xff\xff\xff garbage"])


@every_coding
def test_no_bytes_at_all_are_no_body_rather_than_a_broken_one(coding: bytes, encode: Encode) -> None:
    assert decode(opened(coding), []) == []


def test_every_flush_of_a_stream_comes_out_at_once() -> None:
    compressor = zlib.compressobj(wbits=31)
    decoder = opened(b"gzip")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        decoder.feed(compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH))
        assert decoder.take() == event
        assert decoder.take() == b""


def test_gzip_members_in_a_row_are_one_body_wherever_they_are_split() -> None:
    encoded = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    for cut in range(len(encoded) + 1):
        assert b"".join(decode(opened(b"gzip"), [encoded[:cut], encoded[cut:]])) == b"one two"


@pytest.mark.parametrize("coding", [None, b"", b"identity", b" Identity , "])
def test_no_coding_needs_no_decoder(coding: bytes | None) -> None:
    assert open_decoder(coding) is None


@pytest.mark.parametrize("coding", [b"compress", b"gzip, gzip", b"gzip,br", b"aes128gcm"])
def test_an_unknown_coding_and_several_are_refused(coding: bytes) -> None:
    with pytest.raises(CodingError, match="cannot be undone"):
        open_decoder(coding)
