"""Fetching media by URL, from a server of the test's own that stands for one on the internet."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trio_gateway.config import FetchConfig
from trio_gateway.dialects.remote import Remote
from trio_gateway.errors import InvalidRequest
from trio_gateway.transport.fetch import Fetcher, checked_type, is_public_address, look_up

PNG = b"\x89PNG\r\n\x1a\n and the rest"


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Site:
    """Answers by path; anything else is never answered. Keeps the requests it got."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.requests: list[str] = []
        self.asked, self.left = trio.Event(), trio.Event()
        self.port = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some() or b"\r\n\r\n"
            self.requests.append(head.decode())
            self.asked.set()
            path = head.split(b" ")[1].decode()
            if path in self.answers:
                await stream.send_all(self.answers[path])
            await stream.receive_some()  # until the client leaves
        self.left.set()


@asynccontextmanager
async def open_site(answers: dict[str, bytes]) -> AsyncIterator[Site]:
    site = Site(answers)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, site.serve, 0, host="127.0.0.1"))
        site.port = listeners[0].socket.getsockname()[1]
        yield site
        nursery.cancel_scope.cancel(reason="the test is over")


def fetcher(names: dict[str, list[str]] | None = None, **config: Any) -> Fetcher:
    """A fetcher to whom 127.0.0.1 is public, and everything but it is not."""

    async def lookup(host: str, _port: int) -> list[str]:
        return (names or {}).get(host, ["127.0.0.1"])

    settings = FetchConfig(enabled=True, **config)
    return Fetcher(settings, lookup, lambda address: address == "127.0.0.1")


def image(site: Site, path: str, declared: str | None = None) -> Remote:
    return Remote(f"http://pictures.test:{site.port}{path}", "/messages/0/content/1", "image", declared)


async def test_what_is_there_is_returned_as_base64_with_its_own_type() -> None:
    async with open_site({"/a%20b.png?v=1": answer(PNG, "content-type: image/png")}) as site:
        remote = image(site, "/a b.png?v=1")
        media = (await fetcher().fetch_all([remote]))[remote.url]
        assert (media.kind, media.media_type, b64decode(media.value)) == ("base64", "image/png", PNG)
        request = site.requests[0].lower()
        assert f"host: pictures.test:{site.port}" in request
        assert "authorization" not in request
        assert "cookie" not in request


async def test_redirects_are_followed_and_each_name_is_checked_again() -> None:
    moved = answer(b"", "location: http://inside.test:1/secret", status="302 Found")
    near = answer(b"", "location: /there.png", status="307 Temporary Redirect")
    async with open_site({"/away": moved, "/near": near, "/there.png": answer(PNG)}) as site:
        remote = image(site, "/near")
        assert remote.url in await fetcher().fetch_all([remote])
        with pytest.raises(InvalidRequest, match=r"inside\.test has no public address"):
            await fetcher({"inside.test": ["10.0.0.1"]}).fetch_all([image(site, "/away")])


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], []])
async def test_nothing_is_sent_to_a_name_with_an_address_that_is_not_public(addresses: list[str]) -> None:
    async with open_site({"/x": answer(PNG)}) as site:
        with pytest.raises(InvalidRequest, match="no public address") as caught:
            await fetcher({"pictures.test": addresses}).fetch_all([image(site, "/x")])
        assert caught.value.pointer == "/messages/0/content/1"
        assert site.requests == []


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The name itself leads nowhere: if it were looked up again, nothing would answer."""
    async with open_site({"/x": answer(PNG)}) as site:
        remote = Remote(f"http://does-not-exist.invalid:{site.port}/x", "", "image")
        assert remote.url in await fetcher().fetch_all([remote])


async def test_an_endless_chain_of_redirects_is_cut() -> None:
    async with open_site({"/loop": answer(b"", "location: /loop", status="302 Found")}) as site:
        with pytest.raises(InvalidRequest, match="more than 2 times"):
            await fetcher(redirects_max=2).fetch_all([image(site, "/loop")])
        assert len(site.requests) == 3


async def test_what_is_too_large_is_refused_each_and_together() -> None:
    async with open_site({"/a": answer(PNG + b" " * 1000), "/b": answer(PNG)}) as site:
        with pytest.raises(InvalidRequest, match="max_bytes = 100"):
            await fetcher(max_bytes=100).fetch_all([image(site, "/a")])
        with pytest.raises(InvalidRequest, match="total_bytes = 1030"):
            await fetcher(total_bytes=1030).fetch_all([image(site, "/a"), image(site, "/b")])
        with pytest.raises(InvalidRequest, match="more than 1 URLs"):
            await fetcher(urls_max=1).fetch_all([image(site, "/a"), image(site, "/b")])


class Names:
    """A lookup that never answers, except for names that fail once all the others wait."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.waiting: list[str] = []
        self.left: list[str] = []

    async def lookup(self, host: str, _port: int) -> list[str]:
        if host == self.failing:
            await trio.testing.wait_all_tasks_blocked()
            raise OSError("unknown name")
        self.waiting.append(host)
        try:
            await trio.sleep_forever()
        finally:
            self.left.append(host)
        return []

    def fetcher(self, **config: Any) -> Fetcher:
        return Fetcher(FetchConfig(enabled=True, **config), self.lookup)


def pictures(count: int) -> list[Remote]:
    return [Remote(f"http://site{number}.test/x", f"/at/{number}", "image") for number in range(count)]


async def test_several_are_fetched_at_a_time_and_no_more_than_eight() -> None:
    names = Names()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(names.fetcher().fetch_all, pictures(11))
        await trio.testing.wait_all_tasks_blocked()
        assert names.waiting == [f"site{number}.test" for number in range(8)]
        nursery.cancel_scope.cancel(reason="the client left")
    assert sorted(names.left) == sorted(names.waiting)


async def test_all_of_many_are_there_in_the_order_they_were_wanted_in() -> None:
    paths = [f"/{number}" for number in range(12)]
    async with open_site({path: answer(PNG + path.encode()) for path in paths}) as site:
        wanted = [image(site, path) for path in paths]
        fetched = await fetcher().fetch_all(wanted)
        assert list(fetched) == [remote.url for remote in wanted]
        assert [b64decode(media.value) for media in fetched.values()] == [PNG + path.encode() for path in paths]


async def test_the_first_that_cannot_be_had_ends_the_others() -> None:
    names = Names(failing="site2.test")
    with pytest.raises(InvalidRequest, match=r"site2\.test cannot be looked up") as caught:
        await names.fetcher().fetch_all(pictures(11))
    assert caught.value.pointer == "/at/2"
    assert len(names.waiting) == 7
    assert sorted(names.left) == sorted(names.waiting), "nothing goes on behind the error"


async def test_the_first_that_is_missing_when_time_is_up_is_named(autojump_clock: trio.testing.MockClock) -> None:
    names = Names()
    with pytest.raises(InvalidRequest, match="total_s = 20 s") as caught:
        await names.fetcher().fetch_all(pictures(3))
    assert caught.value.pointer == "/at/0"
    assert len(names.left) == 3


async def test_what_takes_too_long_is_given_up_and_closed() -> None:
    async with open_site({}) as site:
        with pytest.raises(InvalidRequest, match=r"total_s = 0\.05 s"):
            await fetcher(total_s=0.05).fetch_all([image(site, "/never")])
        with trio.fail_after(5):
            await site.left.wait()


async def test_leaving_closes_the_connection() -> None:
    async with open_site({}) as site, trio.open_nursery() as nursery:
        nursery.start_soon(fetcher().fetch_all, [image(site, "/never")])
        await site.asked.wait()
        nursery.cancel_scope.cancel(reason="the client left")
        with trio.CancelScope(shield=True), trio.fail_after(5):
            await site.left.wait()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer(b"", status="404 Not Found"), "status 404"),
        (answer(b"", status="302 Found"), "status 302"),
        (answer(b"<html>", "content-type: text/html"), "no image of a known kind"),
        (answer(b"%PDF-1.7"), "application/pdf, and no image"),
        (answer(PNG, "content-type: text/html"), "declared to be text/html"),
        (answer(PNG, "content-encoding: gzip"), "content coding"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n\x89PNG", "cannot be fetched"),
        (b"SSH-2.0-OpenSSH\r\n", "without an answer"),
    ],
    ids=["missing", "redirect to nowhere", "page", "document", "liar", "coded", "cut off", "no http"],
)
async def test_what_is_no_image_is_refused_with_the_reason(reply: bytes, why: str) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(reply)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(InvalidRequest, match=why) as caught:
            await fetcher().fetch_all([Remote(f"http://pictures.test:{port}/?token=secret", "/input/0", "image")])
        assert (caught.value.code, caught.value.pointer) == ("media_not_fetched", "/input/0")
        assert "secret" not in caught.value.message
        nursery.cancel_scope.cancel(reason="the test is over")


@pytest.mark.parametrize("url", ["http://user:pass@a.test/", "http:///x", "http://a.test:99999/", "http://[::1"])
async def test_what_is_no_url_to_fetch_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be fetched"):
        await fetcher().fetch_all([Remote(url, "/x", "image")])


async def test_a_closed_port_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidRequest, match="cannot connect"):
        await fetcher().fetch_all([Remote("http://pictures.test:1/x", "/x", "image")])


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
     "::ffff:10.0.0.1", "2002:7f00:0001::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:db8::1",
     "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fec0::1", "feff::1", "192.88.99.1", "2002:c058:6301::", "no address"],
)  # fmt: skip
def test_addresses_of_this_network_are_not_public(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public_address(address)


async def test_an_address_that_is_written_out_is_looked_up_as_itself() -> None:
    assert await look_up("127.0.0.1", 80) == ["127.0.0.1"]


def test_a_text_is_taken_as_a_file_where_it_is_declared_one_and_is_one() -> None:
    remote = Remote("http://a.test/x", "/x", "file")
    assert checked_type(remote, b"# Title", "text/markdown; charset=utf-8") == "text/markdown"
    assert checked_type(remote, b"%PDF-1.7", "application/octet-stream") == "application/pdf"
    for body, told in ((b"\xff", "text/plain"), (b"a\0", "text/plain"), (b"text", None), (b"{}", "application/json")):
        with pytest.raises(InvalidRequest):
            checked_type(remote, body, told)


def test_what_the_client_declares_counts_too() -> None:
    remote = Remote("http://a.test/x", "/x", "file", "application/pdf")
    assert checked_type(remote, b"%PDF-1.7", None) == "application/pdf"
    with pytest.raises(InvalidRequest, match="declared to be application/pdf"):
        checked_type(remote, PNG, None)
