"""`Content-Type` of bodies."""

import pytest
from gateway.http.media_type import is_json

from tests.gateway.house import Edge


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


async def test_content_type_of_a_body(edge: Edge, token: str) -> None:
    """The same at the edge; two fields are none."""
    headers = {"Authorization": f"Bearer {token}"}
    for content_type, status in (
        ("application/json; charset=utf-8;", 200),
        ("application/json; charset=x", 415),
    ):
        answer = await edge.http.put(
            "/api/users/me", content=b'{"full_name":"Ada"}', headers={**headers, "Content-Type": content_type}
        )
        assert answer.status_code == status
    twice = [("Content-Type", "application/json"), ("Content-Type", "text/plain"), *headers.items()]
    answer = await edge.http.put("/api/users/me", content=b"{}", headers=twice)
    assert answer.status_code == 415
