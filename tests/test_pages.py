"""Pages of the list of models."""

from __future__ import annotations

import pytest

from trio_gateway.errors import InvalidRequest
from trio_gateway.pages import SIZE_MAX, Page, anthropic_page, gemini_page

NAMES = ["a", "b/2", "c", "d", "e"]


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, Page(NAMES, False)),
        ({"limit": ""}, Page(NAMES, False)),
        ({"limit": "2"}, Page(["a", "b/2"], True)),
        ({"limit": "5"}, Page(NAMES, False)),
        ({"limit": "2", "after_id": "b/2"}, Page(["c", "d"], True)),
        ({"limit": "2", "after_id": "c"}, Page(["d", "e"], False)),
        ({"after_id": "e"}, Page([], False)),
        ({"limit": "2", "before_id": "d"}, Page(["b/2", "c"], True)),
        ({"limit": "2", "before_id": "c"}, Page(["a", "b/2"], False)),
        ({"before_id": "a"}, Page([], False)),
    ],
)
def test_anthropics_clients_go_on_from_an_id_in_either_direction(query: dict[str, str], page: Page) -> None:
    assert anthropic_page(NAMES, query) == page


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": str(SIZE_MAX + 1)}, "/limit"),
        ({"limit": "many"}, "/limit"),
        ({"after_id": "gone"}, "/after_id"),
        ({"before_id": "gone"}, "/before_id"),
        ({"after_id": "a", "before_id": "d"}, "/before_id"),
    ],
)
def test_a_page_that_anthropics_clients_cannot_have_is_refused(query: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        anthropic_page(NAMES, query)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("size", ["1", "2", "5", "5000", "0", ""])
def test_googles_clients_come_to_an_end_and_see_every_name_once(size: str) -> None:
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        page, token = gemini_page(NAMES, {"pageSize": size, "pageToken": token})
        assert page.more is (token is not None)
        seen += page.names
    assert seen == NAMES


def test_googles_page_is_no_larger_than_the_largest() -> None:
    names = [str(number) for number in range(SIZE_MAX + 1)]
    page, token = gemini_page(names, {"pageSize": "5000"})
    assert (len(page.names), page.more) == (SIZE_MAX, True)
    assert token is not None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"pageSize": "-1"}, "/pageSize"),
        ({"pageSize": "x"}, "/pageSize"),
        ({"pageToken": "x"}, "/pageToken"),
        ({"pageToken": "\u00e9"}, "/pageToken"),
        ({"pageToken": "Z29uZQ"}, "/pageToken"),
    ],
)
def test_a_page_that_googles_clients_cannot_have_is_refused(query: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        gemini_page(NAMES, query)
    assert caught.value.pointer == pointer
