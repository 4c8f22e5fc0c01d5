"""`Content-Type` of bodies."""

import pytest
from gateway.http.media_type import is_json
from gateway.http.problems import UnsupportedMediaType

from tests.gateway.raw import HOST, ask
from tests.gateway.stack import Gateway


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        (b"application/json", True),
        (b"Application/JSON", True),
        (b"application/json; charset=utf-8", True),
        (b"application/json;charset=UTF-8", True),
        (b'application/json; charset="utf-8"', True),
        (b'application/json; charset="ut\\f-8"', True),
        (b"application/json; charset=utf-8;", True),
        (b"application/json;", True),
        (b"application/json ; ; charset=utf-8 ; profile=x ;", True),
        (b"application/json; charset=utf-8; profile=x", True),
        (b'application/json; profile="a;charset=iso-8859-1"', True),
        (b'application/json; profile="a\\";charset=x"; CHARSET=Utf-8', True),
        (b"\tapplication/json\t;\tcharset=utf-8\t", True),
        (b"application/json; profile=x; charset=iso-8859-1", False),
        (b"application/json; charset=utf-8; charset=iso-8859-1", False),
        (b"application/json; charset=utf-16", False),
        (b'application/json; charset=""', False),
        (b"application/json; charset", False),
        (b"application/json; charset=", False),
        (b"application/json; =x", False),
        (b'application/json; charset="utf-8', False),
        (b"application/json, application/json", False),
        (b"application/json charset=utf-8", False),
        (b"application/problem+json", False),
        (b"text/json", False),
        (b"application/jsonx", False),
        (b"application /json", False),
        (b"", False),
        (b"application/json;" + b" " * 60_000 + b"x", False),
    ],
)
def test_content_type(content_type: bytes, taken: bool) -> None:
    """Parsed as RFC 9110 has it; a charset other than UTF-8 is refused wherever it stands."""
    assert is_json(content_type) is taken


async def test_content_type_of_a_body(gateway: Gateway, token: str) -> None:
    """The same at the gateway; two fields are none."""
    headers = {"Authorization": f"Bearer {token}"}
    for content_type, status in (
        ("application/json; charset=utf-8;", 200),
        ("application/json; charset=x", 415),
    ):
        answer = await gateway.http.put(
            "/api/users/me", content=b'{"full_name":"Ada"}', headers={**headers, "Content-Type": content_type}
        )
        assert answer.status_code == status
    twice = [("Content-Type", "application/json"), ("Content-Type", "text/plain"), *headers.items()]
    answer = await gateway.http.put("/api/users/me", content=b"{}", headers=twice)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Encoding": "gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"Content-Encoding": "identity, br"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"Content-Encoding": "Identity"}, 200, ""),
        ({"Transfer-Encoding": "gzip, chunked"}, 501, "BAD_REQUEST"),
        ({"Transfer-Encoding": "Chunked"}, 200, ""),
    ],
)
async def test_codings_of_a_body(
    gateway: Gateway, token: str, headers: dict[str, str], status: int, code: str
) -> None:
    """Nothing is read as it stands that is compressed."""
    body = b'{"full_name":"Ada"}'
    framing = [b"%s: %s\r\n" % (name.encode(), value.encode()) for name, value in headers.items()]
    if "Transfer-Encoding" in headers:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        framing.append(b"Content-Length: %d\r\n" % len(body))
    got = await ask(
        gateway,
        b"PUT /api/users/me HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + token.encode() + b"\r\n"
        b"Content-Type: application/json\r\n" + b"".join(framing) + b"\r\n" + body,
    )

    assert (got.status, got.code) == (status, code)
    if status == UnsupportedMediaType.status:
        assert got.headers["accept-encoding"] == "identity"
