from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from trio_gateway.config_problems import INVALID, Problems, describe, read_struct
from trio_gateway.secrets import Secret

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Wheel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: Positive
    kind: Literal["slick", "rain"] = "slick"


class Car(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wheels: list[Wheel] = []
    spare: Wheel | None = None
    doors: dict[str, Wheel] = {}
    parts: list[str | Wheel] = []
    keys: list[Secret] = []
    key: Secret | None = None
    speed: Annotated[float, msgspec.Meta(gt=0, le=300)] = 100.0
    colours: list[str] = []


def read(value: object, checks: Any = None) -> tuple[Any, list[str]]:
    problems = Problems("car.toml", {"KEY": "k-123"}, Path(), checks)
    return read_struct(Car, value, "", problems), problems.lines


def test_what_is_right_becomes_structs_with_their_secrets_resolved() -> None:
    car, lines = read(
        {
            "wheels": [{"size": 17}, {"size": 18, "kind": "rain"}],
            "spare": {"size": 15},
            "doors": {"left": {"size": 1}},
            "parts": ["bolt", {"size": 2}],
            "keys": ["a", "env:KEY"],
            "key": "env:KEY",
            "speed": 120,
        }
    )
    assert lines == []
    assert car == Car(
        wheels=[Wheel(size=17), Wheel(size=18, kind="rain")],
        spare=Wheel(size=15),
        doors={"left": Wheel(size=1)},
        parts=["bolt", Wheel(size=2)],
        keys=[Secret("a"), Secret("k-123")],
        key=Secret("k-123"),
        speed=120.0,
    )


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ([], "car.toml: must be a table"),
        ({"wheels": {}}, "car.toml: wheels: must be a list"),
        ({"wheels": [{"size": 1}, 5]}, "car.toml: wheels[1]: must be a table"),
        ({"wheels": [{}]}, "car.toml: wheels[0].size: is required: a whole number, at least 1"),
        ({"wheels": [{"size": 0}]}, "car.toml: wheels[0].size: must be a whole number, at least 1"),
        ({"spare": {"size": 1, "kind": "x"}}, "car.toml: spare.kind: must be one of slick, rain"),
        ({"doors": []}, "car.toml: doors: must be a table"),
        ({"doors": {"left": {"size": "x"}}}, "car.toml: doors.left.size: must be a whole number, at least 1"),
        ({"parts": [{"size": -1}]}, "car.toml: parts[0].size: must be a whole number, at least 1"),
        ({"parts": [5]}, "car.toml: parts[0]: must be a text or a table"),
        ({"keys": "a"}, "car.toml: keys: must be a list"),
        ({"keys": ["a", 5]}, "car.toml: keys[1]: must be a text: the secret, env:NAME or file:PATH"),
        ({"key": "env:NO"}, "car.toml: key: the environment variable NO is not set"),
        ({"speed": 301}, "car.toml: speed: must be a number, more than 0 and at most 300"),
        ({"speed": True}, "car.toml: speed: must be a number, more than 0 and at most 300"),
        ({"colours": ["red", 5]}, "car.toml: colours: must be a list, each a text"),
        ({"wheel": []}, "car.toml: wheel: is unknown; did you mean wheels?"),
        (
            {"spare": {"size": 1, "x": 2}},
            "car.toml: spare.x: is unknown; allowed are kind, size",
        ),
    ],
)
def test_a_problem_is_told_with_where_it_is_and_what_is_taken(document: object, line: str) -> None:
    assert read(document)[1] == [line]


def test_what_has_an_unknown_member_is_read_for_its_others() -> None:
    car, lines = read({"speed": 5, "wheel": []})
    assert car == Car(speed=5.0)
    assert lines == ["car.toml: wheel: is unknown; did you mean wheels?"]


def test_all_problems_are_told_at_once() -> None:
    car, lines = read({"wheels": [{"size": 0}, {"kind": 5}], "keys": [1, "env:NO"], "speed": "fast", "x": 1})
    assert car is INVALID
    assert [line.split(": ")[1] for line in lines] == [
        "wheels[0].size", "wheels[1].kind", "wheels[1].size", "keys[0]", "keys[1]", "speed", "x",
    ]  # fmt: skip


def test_a_value_is_never_quoted() -> None:
    _, lines = read({"key": "a secret", "speed": "another secret", "keys": [{"third": "secret"}], "doors": "secret"})
    assert len(lines) == 4
    assert not any("secret" in line.replace("the secret, env:NAME", "") for line in lines)


def test_a_check_sees_every_struct_that_could_be_read_and_adds_to_the_problems() -> None:
    seen: list[tuple[str, int]] = []

    def check(wheel: Wheel, at: str, problems: Problems) -> None:
        seen.append((at, wheel.size))
        if wheel.size > 20:
            problems.add(at, "is too large")

    _, lines = read({"wheels": [{"size": 21}, {"size": 0}], "spare": {"size": 3}}, {Wheel: check})
    assert seen == [("wheels[0]", 21), ("spare", 3)]
    assert lines == [
        "car.toml: wheels[0]: is too large",
        "car.toml: wheels[1].size: must be a whole number, at least 1",
    ]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (bool, "true or false"),
        (Secret, "a secret"),
        (Secret | None, "a secret"),
        (int | str, "a whole number or a text"),
        (list[Positive], "a list, each a whole number, at least 1"),
        (dict[str, int], "a table"),
        (Wheel, "a table"),
        (bytes, "something else"),
    ],
)
def test_a_field_is_described_in_words(shape: Any, words: str) -> None:
    assert describe(shape) == words
