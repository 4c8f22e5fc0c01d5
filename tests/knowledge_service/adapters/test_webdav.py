"""Folders on servers that a user may name: broken, hostile and endless ones."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import pytest
from chassis.http.destinations import Destinations
from knowledge_service.adapters import webdav
from knowledge_service.adapters.webdav import LIST_BYTES_MAX, WebDavFolder
from knowledge_service.domain.source import Access, Entry, Problem, SourceFailed

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

FOLDER = WebDavFolder(Destinations(allows_http=True, networks=(ip_network("127.0.0.0/8"),)))
HEAD = '<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">'


class Server:
    """A server that answers everything as the test says.

    Attributes:
        heads: The heads of the requests.
    """

    def __init__(self) -> None:
        self.answer: Answer = multistatus("")
        self.heads: list[str] = []
        self.access = Access("", "ada", "password")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request."""
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await self.answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def sends(*parts: bytes, pause_seconds: float = 0.0) -> Answer:
    """Returns what sends these bytes, after a pause each."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            await asyncio.sleep(pause_seconds)
            writer.write(part)
            await writer.drain()

    return answer


def multistatus(content: str) -> Answer:
    """Returns what sends a multistatus."""
    body = f"{HEAD}{content}</d:multistatus>".encode()
    return sends(b"HTTP/1.1 207 Multi-Status\r\nContent-Length: %d\r\n\r\n" % len(body), body)


def found(href: str, **properties: str) -> str:
    """Returns a file of a multistatus."""
    inner = "".join(f"<d:{name}>{value}</d:{name}>" for name, value in properties.items())
    return (
        f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{inner}</d:prop></d:propstat></d:response>"
    )


async def endless(writer: asyncio.StreamWriter) -> None:
    """Sends a list without an end."""
    writer.write(b"HTTP/1.1 207 Multi-Status\r\n\r\n" + HEAD.encode())
    while True:
        writer.write(found("/dav/a.txt", getetag="1").encode() * 100)
        await writer.drain()


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.access = Access(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/dav", "ada", "password")
    yield server
    listening.close()


async def test_what_a_folder_holds(server: Server) -> None:
    """As Nextcloud says it; what a server says of other places is left out."""
    server.answer = multistatus(
        found("/dav/", getetag='"0"')
        + "<d:response><d:href>/dav/sub%20folder/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/>"
        "</d:resourcetype><oc:fileid>7</oc:fileid></d:prop></d:propstat></d:response>"
        + found("/dav/a%26b.txt", getetag='"1"', getcontentlength="5")
        + found("https://elsewhere.example/dav/full.txt", getlastmodified="Mon", getcontentlength="x")
        + found("/dav/deeper/c.txt")
        + found("/other/d.txt")
        + found("/dav/%2e%2e")
        + found("/dav/%00")
        + found("/dav/e%2Ff.txt")
        + found("")
    )

    assert await FOLDER.entries(server.access, "") == [
        Entry("sub folder", True, " 0", 0, "7"),
        Entry("a&b.txt", False, '"1"', 5, None),
        Entry("full.txt", False, "Mon x", 0, None),
    ]
    assert server.heads[0].startswith("PROPFIND /dav/ HTTP/1.1\r\n")
    assert "\r\nAuthorization: Basic YWRhOnBhc3N3b3Jk\r\n" in server.heads[0]
    assert "\r\nDepth: 1\r\n" in server.heads[0]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (sends(b"HTTP/1.1 599 -\r\nContent-Length: 0\r\n\r\n"), Problem.SERVER_ERROR),
        (sends(b"HTTP/1.1 207 -\r\nContent-Length: 0\r\n\r\n"), Problem.NOT_WEBDAV),
        (sends(b"HTTP/1.1 207 -\r\nContent-Length: 9\r\n\r\n<html></h"), Problem.NOT_WEBDAV),
        (sends(b"HTTP/1.1 207 -\r\nContent-Length: 900\r\n\r\n" + HEAD.encode()), Problem.NOT_WEBDAV),
        (sends(b"SSH-2.0-OpenSSH\r\n"), Problem.NOT_WEBDAV),
        (sends(), Problem.UNREACHABLE),
        (endless, Problem.TOO_LARGE),
        (sends(b"HTTP/1.1 207 -\r\n\r\n", b"x" * (LIST_BYTES_MAX * 2)), Problem.TOO_LARGE),
        (sends(b"HTTP/1.1 207 -\r\n", *[b"X: y\r\n"] * 100, pause_seconds=0.1), Problem.TOO_SLOW),
        (multistatus("<d:a>" * 100_000), Problem.NOT_WEBDAV),
        (multistatus(found("/dav/a.txt") + found("//[")), Problem.NOT_WEBDAV),
        (
            sends(
                b"HTTP/1.1 207 -\r\n\r\n<?xml version='1.0'?><!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>"
                b"<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><d:multistatus xmlns:d='DAV:'>&b;</d:multistatus>"
            ),
            Problem.NOT_WEBDAV,
        ),
        (
            sends(
                b"HTTP/1.1 207 -\r\n\r\n<?xml version='1.0'?><!DOCTYPE d SYSTEM 'file:///etc/passwd'>"
                b"<d:multistatus xmlns:d='DAV:'/>"
            ),
            Problem.NOT_WEBDAV,
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Problem) else "",
)
async def test_bad_servers(
    server: Server, answer: Answer, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a problem, within bounds of time and size."""
    monkeypatch.setattr(webdav, "LIST_SECONDS", 5.0)
    server.answer = answer
    begin = time.monotonic()

    with pytest.raises(SourceFailed) as failed:
        await FOLDER.entries(server.access, "")

    assert failed.value.problem is problem
    assert time.monotonic() - begin < 10


async def test_no_server() -> None:
    """Is a problem too, as is a host that does not exist."""
    for url in ("http://127.0.0.1:1/", "http://vestibule.invalid/"):
        with pytest.raises(SourceFailed) as failed:
            await FOLDER.entries(Access(url, "ada", "password"), "")
        assert failed.value.problem is Problem.UNREACHABLE


async def test_a_host_that_changes_its_address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request is resolved once, and connects to the address that was checked, or to none."""
    private = Server()
    port = urlsplit(server.access.url).port
    listening = await asyncio.start_server(private.serve, "127.0.0.2", port)
    answers = itertools.cycle(["127.0.0.1", "127.0.0.2"])
    resolve = socket.getaddrinfo

    def rebinding(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve(next(answers) if host == "rebinding.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    folder = WebDavFolder(Destinations(allows_http=True, networks=(ip_network("127.0.0.1/32"),)))
    access = replace(server.access, url=f"http://rebinding.example:{port}/dav")
    server.answer = multistatus(found("/dav/a.txt"))

    for _ in range(3):
        assert len(await folder.entries(access, "")) == 1
        with pytest.raises(SourceFailed) as failed:
            await folder.entries(access, "")
        assert failed.value.problem is Problem.ADDRESS_REFUSED

    assert (len(server.heads), private.heads) == (3, [])
    listening.close()


async def test_a_redirect_is_not_followed(server: Server) -> None:
    """Not even to an allowed address: its server is not connected to."""
    elsewhere = Server()
    listening = await asyncio.start_server(elsewhere.serve, "127.0.0.1", 0)
    target = listening.sockets[0].getsockname()[1]
    for status in (301, 302, 303, 307, 308):
        head = f"HTTP/1.1 {status} -\r\nLocation: http://127.0.0.1:{target}/dav/\r\nContent-Length: 0\r\n\r\n"
        server.answer = sends(head.encode())
        with pytest.raises(SourceFailed) as failed:
            await FOLDER.entries(server.access, "")
        assert failed.value.problem is Problem.REDIRECTED

    assert elsewhere.heads == []
    listening.close()


async def test_a_file_that_is_cut_off(server: Server) -> None:
    """Is never taken for the whole file: its size is that of the list."""
    entry = Entry("a.txt", False, "1", 10, None)
    server.answer = sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf.\r\n")

    with pytest.raises(SourceFailed):
        await FOLDER.content(server.access, entry)

    server.answer = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nwhole file")
    assert await FOLDER.content(server.access, entry) == b"whole file"


async def test_what_would_be_stored_is_bounded(server: Server) -> None:
    """Whatever a server says: long ETags become hashes, and files with endless names are left out."""
    server.answer = multistatus(
        found("/dav/a.txt", getetag="e" * 100_000)
        + found("/dav/b.txt", getetag="e" * 100_001)
        + found(f"/dav/{'n' * 3000}.txt", getetag="1")
    )

    first, second = await FOLDER.entries(server.access, "")

    assert (first.path, second.path) == ("a.txt", "b.txt")
    assert first.version != second.version
    assert max(len(first.version), len(second.version)) == 64
