"""Audio that comes in fragments."""

from __future__ import annotations

import pytest
from msgspec import Raw

from trio_gateway.dialects.openai_chat import audio
from trio_gateway.dialects.openai_chat.audio import AudioGatherer


def test_fragments_join_and_the_other_members_are_the_latest() -> None:
    gatherer = AudioGatherer()
    for fragment in (b'{"id":"a","data":"AA"}', b'{"transcript":"Hel"}', b'{"data":"BB","transcript":"lo"}'):
        assert gatherer.feed(Raw(fragment))
    assert gatherer.feed(Raw(b'{"expires_at":5}'))
    assert gatherer.whole() == Raw(b'{"id":"a","data":"AABB","transcript":"Hello","expires_at":5}')


@pytest.mark.parametrize("fragment", [b"[]", b'{"data":1}', b'{"data":null}'])
def test_what_is_no_audio_is_refused(fragment: bytes) -> None:
    gatherer = AudioGatherer()
    assert not gatherer.feed(Raw(fragment))


def test_audio_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "MAX_CHARACTERS", 30)
    gatherer = AudioGatherer()
    assert gatherer.feed(Raw(b'{"data":"0123456789"}'))
    assert not gatherer.feed(Raw(b'{"data":"0123456789"}'))
    assert gatherer.whole() == Raw(b'{"data":"0123456789"}')
