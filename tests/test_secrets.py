from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from trio_gateway.secrets import Secret, UnresolvedSecret, resolve

VALUE = "sk-0123456789"


def test_a_text_is_the_secret_itself_and_may_hold_a_colon() -> None:
    for text in (VALUE, "tg:0123456789", "environment:x", f"  {VALUE}\n"):
        secret = resolve(text, {}, Path())
        assert (secret.reveal(), secret.reference) == (text.strip(), "literal")


def test_a_variable_is_looked_up_where_it_is_told_to() -> None:
    secret = resolve("env:KEY", {"KEY": f" {VALUE}\n"}, Path())
    assert (secret.reveal(), secret.reference) == (VALUE, "env:KEY")


def test_a_file_is_read_below_the_configurations_folder_and_its_last_line_end_left_out(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(VALUE + "\n")
    assert resolve("file:key", {}, tmp_path).reveal() == VALUE
    assert resolve(f"file:{tmp_path}/key", {}, Path("/nowhere")).reveal() == VALUE


def test_a_file_may_be_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text(VALUE)
    assert resolve("file:~/key", {}, Path("/nowhere")).reveal() == VALUE


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("env:KEY", "the environment variable KEY is not set"),
        ("env:EMPTY", "the environment variable EMPTY is not set"),
        ("file:missing", "cannot be read: No such file or directory"),
        ("file:.", "cannot be read: Is a directory"),
        ("file:binary", "cannot be read: it is not UTF-8 text"),
        ("file:empty", "is empty"),
        ("", "it is empty; write the secret, env:NAME or file:PATH"),
        (" \n", "it is empty; write the secret, env:NAME or file:PATH"),
    ],
)
def test_a_reference_that_leads_nowhere_says_why(reference: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(UnresolvedSecret) as caught:
        resolve(reference, {"EMPTY": " "}, tmp_path)
    assert str(caught.value).endswith(reason)


@pytest.mark.parametrize("value", ["two words", "two\nlines", "two\r\nlines", "schlüssel", "nul\0", "tab\tbed"])
def test_what_cannot_stand_in_a_header_is_refused_unquoted_wherever_it_comes_from(value: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(value)
    for reference in (value, "env:KEY", "file:key"):
        with pytest.raises(UnresolvedSecret, match="spaces, line ends or characters that are not ASCII") as caught:
            resolve(reference, {"KEY": value}, tmp_path)
        assert value not in str(caught.value)


def test_nothing_that_shows_a_secret_shows_its_value() -> None:
    for secret in (Secret(VALUE), Secret(VALUE, "env:KEY")):
        assert VALUE not in f"{secret} {secret!r} {secret!s} {[secret]}"
        assert secret.reference in repr(secret)


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(VALUE))


def test_secrets_of_one_value_are_one_wherever_they_come_from() -> None:
    assert Secret(VALUE) == Secret(VALUE, "env:KEY") != Secret("other")
    assert len({Secret(VALUE), Secret(VALUE, "file:key")}) == 1
    assert Secret(VALUE) != VALUE
