"""The search for leaks finds leaks: otherwise finding nothing would prove nothing."""

import base64
import json
from urllib.parse import quote

import pytest

from tests.leaks import leaks

SECRET = 'canary+7"é/Zweifel'


@pytest.mark.parametrize(
    "planted",
    [
        f"2026-11-23 [info] signed in password={SECRET}".encode(),
        json.dumps({"event": "x", "body": SECRET}).encode(),
        json.dumps({"body": SECRET}, ensure_ascii=False).encode(),
        f"GET /api/users?search={quote(SECRET)}".encode(),
        b"payload=" + SECRET.encode().hex().encode(),
        b"Basic " + base64.b64encode(f"ada:{SECRET}".encode()),
        b"t=" + base64.urlsafe_b64encode(f"x{SECRET}yz".encode()),
        f"KeyError: {SECRET!r}".encode(),
        b"\x0a\x13" + SECRET.encode() + b"\x12\x00",
    ],
)
def test_a_planted_leak_is_found(planted: bytes) -> None:
    (found,) = leaks([("fine.log", b"nothing here"), ("bad.log", planted)], {"password": SECRET})

    assert found.startswith("password in bad.log")


def test_nothing_is_found_where_nothing_is() -> None:
    assert leaks([("fine.log", b"canary+7 \xc3\xa9 Zweifel")], {"password": SECRET}) == []
