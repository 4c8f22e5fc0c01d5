"""Breached passwords: a real file, and a real server that answers rightly, wrongly, late or not at all."""

import asyncio
import hashlib
import os
import random
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from auth_service.adapters.breached_passwords import (
    BreachedPasswordsFile,
    BreachedPasswordsFileError,
    BreachedPasswordsService,
)
from prometheus_client import REGISTRY

from tests.waiting import SLOW_MACHINE_SECONDS

BREACHED = "orbital-walrus-7-pancake"
PADDING_ONLY = "glacier-lamp-1881-teapot"
Reply = Callable[[str], bytes]


def _digest(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


def _count(which: str, outcome: str) -> float:
    labels = {"set": which, "outcome": outcome}
    return REGISTRY.get_sample_value("auth_breached_passwords_total", labels) or 0.0


def _lines(passwords: int) -> list[str]:
    chance = random.Random(6212)
    return sorted(f"{_digest(f'pw{number}')}:{chance.randint(1, 10**8)}" for number in range(passwords))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("has_counts", [True, False])
@pytest.mark.parametrize("passwords", [1, 2, 3, 5_000])
async def test_every_line_of_a_file_is_found(
    tmp_path: Path, passwords: int, has_counts: bool, end: str
) -> None:
    """The first and the last too, with a line end at the file's end or without, in either case."""
    lines = _lines(passwords)
    if not has_counts:
        lines = [line.partition(":")[0].lower() for line in lines]
    path = tmp_path / "pwned.txt"
    for last in (end, ""):
        path.write_bytes((end.join(lines) + last).encode())
        async with BreachedPasswordsFile.open(path) as breached:
            some = range(0, passwords, max(1, passwords // 200))
            assert [number for number in some if not await breached(f"pw{number}")] == []
            first, final = lines[0][:40].upper(), lines[-1][:40].upper()
            edges = [number for number in range(passwords) if _digest(f"pw{number}") in (first, final)]
            assert all([await breached(f"pw{number}") for number in edges])
            assert not any([await breached(f"other{number}") for number in range(200)])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is empty"),
        ("not a digest\n", "there is no line `HASH`"),
        (f"{'B' * 40}\n{'A' * 40}\n", "not in ascending order at byte 41"),
        (f"{'A' * 40}\n{'A' * 40}\n", "not in ascending order"),
        (f"{'A' * 40}\n\n{'B' * 40}\n", "there is no line `HASH`"),
        ("A" * 4096, "there is no line `HASH`"),
        ("\n".join(sorted(_lines(5_000), key=lambda line: line.partition(":")[2])), "ascending order"),
        ("password\nletmein\n", "at byte 0"),
    ],
)
async def test_a_file_that_would_be_searched_wrongly_is_refused(
    tmp_path: Path, content: str, why: str
) -> None:
    """With its path and the place, so that it can be mended."""
    path = tmp_path / "pwned.txt"
    path.write_text(content)
    with pytest.raises(BreachedPasswordsFileError, match=re.escape(why)) as refused:
        async with BreachedPasswordsFile.open(path):
            pass

    assert str(path) in str(refused.value)


async def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing there, a folder, a pipe without a writer."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "pipe"):
        with pytest.raises(BreachedPasswordsFileError, match=re.escape(str(path))):
            async with BreachedPasswordsFile.open(path):
                pass


async def test_a_file_that_breaks_refuses_no_password(tmp_path: Path) -> None:
    """It is truncated while it is open: counted, and the password passes."""
    path = tmp_path / "pwned.txt"
    path.write_text("\n".join(_lines(1_000)))
    async with BreachedPasswordsFile.open(path) as breached:
        path.write_text("")
        before = _count("file", "failed")

        assert not await breached("pw1")
        assert _count("file", "failed") == before + 1


async def test_a_large_file_costs_neither_memory_nor_time(tmp_path: Path) -> None:
    """200,000 lines are searched by at most 18 reads: nothing of the file is kept."""
    path = tmp_path / "pwned.txt"
    lines = sorted(_digest(f"pw{number}") for number in range(200_000))
    path.write_text("\n".join(lines))
    async with BreachedPasswordsFile.open(path) as breached:
        began = time.process_time()
        found = [await breached(f"pw{number}") for number in range(0, 200_000, 1_000)]
        took = (time.process_time() - began) / len(found)

    assert all(found)
    assert took < 0.005


class _Server:
    """A real HTTP server whose answers a test chooses; it keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.reply: Reply = lambda _: b""
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(request)
            answer = self.reply(request.split()[1].rpartition("/")[2])
            if not answer:
                await reader.read()
            writer.write(answer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def _server() -> AsyncIterator[_Server]:
    server = _Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/range/"
    try:
        yield server
    finally:
        listening.close()


def _ranges(prefix: str) -> bytes:
    """Answers as Have I Been Pwned does: what it knows, and padding with the count 0."""
    lines = [f"{_digest(f'pad{number}')[5:]}:0" for number in range(800)]
    for password, count in ((BREACHED, 17), (PADDING_ONLY, 0)):
        if _digest(password).startswith(prefix):
            lines.append(f"{_digest(password)[5:]}:{count}")
    return _answer("\r\n".join(lines))


def _answer(body: str, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def test_the_service_learns_five_digits_only() -> None:
    """Neither the password nor its digest leaves, and padding is asked for."""
    async with _server() as server:
        server.reply = _ranges
        breached = BreachedPasswordsService(server.url)

        assert await breached(BREACHED)
        assert not await breached("glossy-marmot-42-umbrella")
        assert not await breached(PADDING_ONLY)

        (request, *_) = server.requests
        line, *headers = request.split("\r\n")
        assert line == f"GET /range/{_digest(BREACHED)[:5]} HTTP/1.1"
        assert "Add-Padding: true" in headers
        assert _digest(BREACHED)[5:] not in request
        assert BREACHED not in request


async def test_chunked_answers_are_read() -> None:
    """As the real service sends them."""
    body = f"{_digest(BREACHED)[5:]}:3\r\n"
    chunk = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    async with _server() as server:
        server.reply = lambda _: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}".encode()

        assert await BreachedPasswordsService(server.url)(BREACHED)


@pytest.mark.parametrize(
    "reply",
    [
        lambda prefix: _ranges(prefix).replace(b"200 OK", b"503 Service Unavailable"),
        lambda _: _answer("", "302 Found", "Location: http://127.0.0.1:1/\r\n"),
        lambda _: _answer(f"{_digest(BREACHED)[5:]}:3\n" * 20_000),
        lambda _: _answer("<html>Sign in to the Wi-Fi</html>"),
        lambda _: _answer(f"{_digest(BREACHED)[5:]}:3\n" + "é"),
        lambda prefix: _ranges(prefix)[:-10],
        lambda _: b"SSH-2.0-OpenSSH\r\n",
        lambda _: b"",
    ],
    ids=["error", "redirect", "too large", "page", "not ascii", "cut off", "not HTTP", "silent"],
)
async def test_a_service_without_an_answer_refuses_no_password(reply: Reply) -> None:
    """Within its time, counted, and without going where it is sent."""
    async with _server() as server:
        server.reply = reply
        before = _count("service", "failed")
        began = time.perf_counter()

        assert not await BreachedPasswordsService(server.url, seconds=0.5)(BREACHED)
        assert _count("service", "failed") == before + 1
        assert time.perf_counter() - began < SLOW_MACHINE_SECONDS
        assert len(server.requests) == 1


async def test_an_unreachable_service_refuses_no_password() -> None:
    """The connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        before = _count("service", "failed")

        assert not await BreachedPasswordsService(f"http://127.0.0.1:{taken.getsockname()[1]}/")(BREACHED)
        assert _count("service", "failed") == before + 1
