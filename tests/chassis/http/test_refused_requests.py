"""What is no HTTP is answered by the app, with what can be read of its head."""

import asyncio
import time
from typing import Any

import pytest
from chassis.http.refused_requests import EXTENSION
from chassis.http.server import open_http

from tests.waiting import SLOW_MACHINE_SECONDS


class _App:
    """Answers refusals; keeps the fields of the last one."""

    answers_refusals = True
    fields: dict[bytes, bytes]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers with the status of the refusal."""
        del receive
        self.fields = dict(scope["headers"])
        refusal = scope["extensions"][EXTENSION]
        length = (b"content-length", b"0")
        await send({"type": "http.response.start", "status": refusal.status, "headers": [length]})
        await send({"type": "http.response.body", "body": b""})


async def _refused(head: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Sends what is no HTTP; returns the response, and the fields that the app was given."""
    app = _App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head)
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            response = await reader.read()
        writer.close()
    return response, app.fields


async def test_fields_before_the_fault_are_read() -> None:
    """Without the white space around their values."""
    response, fields = await _refused(
        b"GET / HTTP/1.1\r\nHost: h\r\nAccept: \t a  b \t\r\nEmpty: \t\r\nno field\r\nLater: c\r\n\r\n"
    )

    assert response.startswith(b"HTTP/1.1 400 ")
    assert fields == {b"host": b"h", b"accept": b"a  b", b"empty": b""}


@pytest.mark.parametrize("field", [b"X: a" + b" " * 30_000 + b"b", b"X:" + b"\t" * 30_000 + b"\x00"])
async def test_white_space_takes_no_time(field: bytes) -> None:
    """A value that is nothing but white space for long is read once, and not once per byte of it."""
    begun = time.process_time()
    response, _ = await _refused(b"GET / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\nno field\r\n\r\n")

    assert response.startswith(b"HTTP/1.1 4")
    assert time.process_time() - begun < 2.0
