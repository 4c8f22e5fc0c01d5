"""What is wrong with the HTTP itself is answered in the contract's form, whatever layer notices it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from gateway.http.media_type import is_json

from chassis import bounded_heads
from tests.chassis.waiting import until
from tests.gateway.house import Behind, Edge


@dataclass(frozen=True)
class Got:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The error's code; empty for a success."""
        return self.body["error"]["code"] if self.body["error"] else ""


async def send(edge: Edge, *pieces: bytes) -> bytes:
    """Sends bytes and returns all that comes back until the gateway closes or is silent for a moment."""
    address = edge.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.02)
    got = b""
    try:
        while more := await asyncio.wait_for(reader.read(65536), 0.5):
            got += more
    except TimeoutError:
        pass
    writer.close()
    return got


def parsed(raw: bytes) -> Got:
    """Returns the first answer in what came back."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = rest[: int(headers["content-length"])]
    return Got(int(status.split()[1]), headers, json.loads(body))


async def ask(edge: Edge, *pieces: bytes) -> Got:
    """Sends bytes and returns the first answer."""
    return parsed(await send(edge, *pieces))


def is_enveloped(got: Got) -> bool:
    """Says whether an answer has all that every answer under `/api/` has."""
    return (
        got.body["success"] is False
        and got.body["metadata"]["request_id"] == got.headers["x-request-id"]
        and got.headers["x-content-type-options"] == "nosniff"
        and got.headers["content-type"] == "application/json"
    )


HOST = b"Host: vestibule\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"FOO /api/health HTTP/1.1\r\n" + HOST + b"\r\n",
        b"get /api/health HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET\x00 /api/health HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/health HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET /api/health HTTP/2.0\r\n" + HOST + b"\r\n",
        b"GET /api/health FTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/health HTTP/1.1\r\nHost vestibule\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\n" + HOST + b"a b: c\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\n" + HOST + b"a: \x01\r\n\r\n",
        b"GET /api/h\xc3\xa4lth HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/he alth HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/%zz HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/health% HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/users/%f HTTP/1.1\r\n" + HOST + b"\r\n",
        b'GET /api/"health" HTTP/1.1\r\n' + HOST + b"\r\n",
        b"GET /api/{health} HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/a\\b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST /api/auth/login HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/auth/login HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: nonsense\r\n\r\n{}",
        b"POST /api/auth/login HTTP/1.1\r\n"
        + HOST
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_no_http(edge: Edge, request_bytes: bytes) -> None:
    """400 in the envelope, the request's own id when it has one, and the connection ends."""
    raw = await send(edge, request_bytes)
    got = parsed(raw)

    assert (got.status, got.code) == (400, "BAD_REQUEST")
    assert is_enveloped(got)
    assert got.headers["connection"] == "close"
    assert raw.count(b"\r\n\r\n") == 1


async def test_no_http_in_pieces_and_behind_others(edge: Edge) -> None:
    """However it comes, what was asked before is answered first; nothing behind it is taken."""
    good = b"GET /api/health HTTP/1.1\r\n" + HOST + b"\r\n"
    bad = b"FOO /api/health HTTP/1.1\r\n" + HOST + b"X-Request-ID: abc\r\n\r\n"
    for pieces in ((good + bad,), (good, bad), (good + good + bad + good,), (good, bad[:5], bad[5:])):
        raw = await send(edge, *pieces)
        answers = raw.split(b"HTTP/1.1 ")[1:]

        assert answers[-1].startswith(b"400")
        assert b"BAD_REQUEST" in answers[-1]
        assert all(answer.startswith(b"200") for answer in answers[:-1])
        assert len(answers) >= 2


async def test_outside_the_api(edge: Edge) -> None:
    """The same without the envelope; where the path is unreadable, it is taken for the API's."""
    outside = parsed(await send(edge, b"FOO /health HTTP/1.1\r\n" + HOST + b"\r\n"))
    unreadable = parsed(await send(edge, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))

    assert (outside.status, outside.body["error"]["code"]) == (400, "BAD_REQUEST")
    assert (unreadable.status, unreadable.body["error"]["code"]) == (400, "BAD_REQUEST")


async def test_heads_out_of_bounds(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large is 431, too slow is 408, both in the envelope."""
    large = b"GET /api/health HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 40_000 + b"\r\n\r\n"
    got = await ask(edge, large)
    assert (got.status, got.code, is_enveloped(got)) == (431, "BAD_REQUEST", True)

    monkeypatch.setattr(bounded_heads, "HEAD_SECONDS", 0.2)
    got = await ask(edge, b"GET /api/health HTTP/1.1\r\nHost: vesti")
    assert (got.status, got.code, is_enveloped(got)) == (408, "REQUEST_TIMEOUT", True)


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        ("1.1", (), 400),
        ("1.1", ("vestibule", "vestibule"), 400),
        ("1.1", ("vestibule", "other"), 400),
        ("1.1", ("",), 400),
        ("1.1", ("a b",), 400),
        ("1.1", ("a,b",), 400),
        ("1.1", ("user@vestibule",), 400),
        ("1.1", ("vestibule/path",), 400),
        ("1.1", ("vestibule:port",), 400),
        ("1.1", ("vestibule:70000",), 400),
        ("1.1", ("[::1",), 400),
        ("1.1", ("[::zz]",), 400),
        ("1.1", ("h\xe4lth",), 400),
        ("1.1", ("vestibule",), 200),
        ("1.1", ("vestibule:8000",), 200),
        ("1.1", ("xn--hlth-loa.example.",), 200),
        ("1.1", ("127.0.0.1:1",), 200),
        ("1.1", ("[::1]:8000",), 200),
        ("1.1", ("[2001:db8::7]",), 200),
        ("1.0", (), 200),
        ("1.0", ("vestibule",), 200),
        ("1.0", ("a", "b"), 400),
    ],
)
async def test_host(edge: Edge, version: str, hosts: tuple[str, ...], status: int) -> None:
    """One, well-formed, as HTTP/1.1 asks; HTTP/1.0 does not."""
    for target in ("/api/health", "http://vestibule/api/health"):
        lines = [f"GET {target} HTTP/{version}", *(f"Host: {host}" for host in hosts), "", ""]
        got = await ask(edge, "\r\n".join(lines).encode("latin-1"))

        assert (got.status, got.code) == (status, "BAD_REQUEST" if status == 400 else "")


POST = b"POST /api/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (POST + b"Content-Length: 70000\r\n", 413, "PAYLOAD_TOO_LARGE"),
        (POST + b"Content-Length: 99999999999999\r\n", 413, "PAYLOAD_TOO_LARGE"),
        (
            POST.replace(b"application/json", b"text/plain") + b"Content-Length: 2\r\n",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (POST.replace(b"/login", b"/nothing") + b"Content-Length: 2\r\n", 404, "NOT_FOUND"),
        (POST.replace(b"POST", b"PATCH") + b"Content-Length: 2\r\n", 405, "METHOD_NOT_ALLOWED"),
        (
            POST.replace(b"POST /api/auth/login", b"PUT /api/users/me") + b"Content-Length: 2\r\n",
            401,
            "UNAUTHENTICATED",
        ),
        (POST.replace(HOST, b"") + b"Content-Length: 2\r\n", 400, "BAD_REQUEST"),
    ],
)
async def test_a_refused_body_is_not_invited(edge: Edge, head: bytes, status: int, code: str) -> None:
    """Who asks first whether to send is told at once, by the final answer alone."""
    for expect in (b"100-continue", b"100-Continue"):
        raw = await send(edge, head + b"Expect: " + expect + b"\r\n\r\n")
        got = parsed(raw)

        assert (got.status, got.code) == (status, code)
        assert raw.startswith(b"HTTP/1.1 %d" % status), raw[:40]
        assert got.headers["connection"] == "close"


async def test_expectations(edge: Edge) -> None:
    """A body that is wanted is invited; HTTP/1.0 knows no invitation; other expectations are refused."""
    head = POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    invited = await send(edge, head, b"[]")
    plain = await send(edge, head.replace(b"HTTP/1.1", b"HTTP/1.0"), b"[]")
    other = await ask(edge, head.replace(b"100-continue", b"payment"), b"[]")

    assert invited.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400")
    assert b"INVALID_JSON" in invited
    assert plain.startswith(b"HTTP/1.1 400")
    assert (other.status, other.code) == (417, "BAD_REQUEST")


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


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/api/users/%6De", 200),
        (b"/api/users/%6d%65", 200),
        (b"/%61pi/users/me", 200),
        (b"/%61pi/%75sers/me", 200),
        (b"/api/us%65rs/me?x=%6d", 200),
        (b"/api/users%2Fme", 404),
        (b"/api%2fusers/me", 404),
        (b"/api/users/%256De", 403),
        (b"/api/users/./me", 404),
        (b"/api/users/x/../me", 404),
        (b"/api/users/%2e%2e", 404),
        (b"/api/users/%2E", 404),
        (b"//api/users/me", 404),
        (b"/api//users/me", 404),
        (b"/api/users/me/", 404),
        (b"/api/users/ME", 403),
        (b"/API/users/me", 404),
        (b"/he%61lth", 200),
    ],
)
async def test_one_rule_for_paths(edge: Edge, token: str, target: bytes, status: int) -> None:
    """Unreserved characters are the same encoded or not; nothing else is."""
    raw = await send(
        edge,
        b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + token.encode() + b"\r\n\r\n",
    )

    assert int(raw[9:12]) == status, raw


async def test_encoded_paths_have_one_name_in_metrics(edge: Edge, behind: Behind, token: str) -> None:
    """The route's template, and one answer in the cache."""
    headers = {"Authorization": f"Bearer {token}"}

    async def is_cached() -> bool:
        behind.calls.clear()
        await edge.http.get("/api/users/me", headers=headers)
        return not behind.calls

    await until(is_cached)
    for path in ("/api/users/%6De", "/%61pi/users/me"):
        await edge.http.get(path, headers=headers)
    await edge.http.get("/he%61lth")
    told = (await edge.http.get("/metrics")).text

    assert not behind.calls
    assert "%6" not in told
    assert 'route="/health"' in told
