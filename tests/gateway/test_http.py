"""What is wrong with the HTTP itself is answered in the contract's form, whatever layer notices it."""

import pytest
from chassis.http import head_limits

from tests.gateway.raw import HOST, Got, ask, parsed, send
from tests.gateway.stack import Gateway


def is_enveloped(got: Got) -> bool:
    """Says whether an answer has all that every answer under `/api/` has."""
    return (
        got.body["success"] is False
        and got.body["metadata"]["request_id"] == got.headers["x-request-id"]
        and got.headers["x-content-type-options"] == "nosniff"
        and got.headers["content-type"] == "application/json"
    )


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
        b"GET /api/health#top HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/health?a=b#top HTTP/1.1\r\n" + HOST + b"\r\n",
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
async def test_no_http(gateway: Gateway, request_bytes: bytes) -> None:
    """400 in the envelope, the request's own id when it has one, and the connection ends."""
    raw = await send(gateway, request_bytes)
    got = parsed(raw)

    assert (got.status, got.code) == (400, "BAD_REQUEST")
    assert is_enveloped(got)
    assert got.headers["connection"] == "close"
    assert raw.count(b"\r\n\r\n") == 1


async def test_no_http_in_pieces_and_behind_others(gateway: Gateway) -> None:
    """However it comes, what was asked before is answered first; nothing behind it is taken."""
    good = b"GET /api/health HTTP/1.1\r\n" + HOST + b"\r\n"
    bad = b"FOO /api/health HTTP/1.1\r\n" + HOST + b"X-Request-ID: abc\r\n\r\n"
    for pieces in ((good + bad,), (good, bad), (good + good + bad + good,), (good, bad[:5], bad[5:])):
        raw = await send(gateway, *pieces)
        answers = raw.split(b"HTTP/1.1 ")[1:]

        assert answers[-1].startswith(b"400")
        assert b"BAD_REQUEST" in answers[-1]
        assert all(answer.startswith(b"200") for answer in answers[:-1])
        assert len(answers) >= 2


@pytest.mark.parametrize(
    "line",
    [b"FOO /api/health HTTP/1.1", b"GET /api/\xff HTTP/1.1", b"G@T  /api/x  HTTP/1.1", b"FOO /api/health"],
)
@pytest.mark.parametrize("ending", [b"\r\n", b"Content-Length: 12\r\n\r\nhello /world", b"a b: c\r\n\r\n"])
async def test_what_is_read_of_a_refused_head(gateway: Gateway, line: bytes, ending: bytes) -> None:
    """Neither its fields nor its body pass for the line that says where it was sent."""
    fields = HOST + b"Accept: text/html text/plain\r\nX-Request-ID: mine\r\nConnection: close\r\n"
    got = parsed(await send(gateway, line + b"\r\n" + fields + ending))

    assert (got.status, got.code) == (400, "BAD_REQUEST")
    assert is_enveloped(got)
    assert got.headers["x-request-id"] == "mine"


async def test_outside_the_api(gateway: Gateway) -> None:
    """The same without the envelope; where the path is unreadable, it is taken for the API's."""
    outside = parsed(await send(gateway, b"FOO /health HTTP/1.1\r\n" + HOST + b"\r\n"))
    unreadable = parsed(await send(gateway, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))

    assert (outside.status, outside.body["error"]["code"]) == (400, "BAD_REQUEST")
    assert (unreadable.status, unreadable.body["error"]["code"]) == (400, "BAD_REQUEST")


async def test_heads_out_of_bounds(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large is 431, too slow is 408, both in the envelope."""
    large = b"GET /api/health HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 40_000 + b"\r\n\r\n"
    got = await ask(gateway, large)
    assert (got.status, got.code, is_enveloped(got)) == (431, "BAD_REQUEST", True)

    monkeypatch.setattr(head_limits, "HEAD_SECONDS", 0.2)
    got = await ask(gateway, b"GET /api/health HTTP/1.1\r\nHost: vesti")
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
async def test_host(gateway: Gateway, version: str, hosts: tuple[str, ...], status: int) -> None:
    """One, well-formed, as HTTP/1.1 asks; HTTP/1.0 does not."""
    for target in ("/api/health", "http://vestibule/api/health"):
        lines = [f"GET {target} HTTP/{version}", *(f"Host: {host}" for host in hosts), "", ""]
        got = await ask(gateway, "\r\n".join(lines).encode("latin-1"))

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
async def test_a_refused_body_is_not_invited(gateway: Gateway, head: bytes, status: int, code: str) -> None:
    """A client that waits for 100 (Continue) gets the final response at once."""
    for expect in (b"100-continue", b"100-Continue"):
        raw = await send(gateway, head + b"Expect: " + expect + b"\r\n\r\n")
        got = parsed(raw)

        assert (got.status, got.code) == (status, code)
        assert raw.startswith(b"HTTP/1.1 %d" % status), raw[:40]
        assert got.headers["connection"] == "close"


async def test_expectations(gateway: Gateway) -> None:
    """A body that is wanted is invited; HTTP/1.0 knows no invitation; other expectations are refused."""
    head = POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    invited = await send(gateway, head, b"[]")
    plain = await send(gateway, head.replace(b"HTTP/1.1", b"HTTP/1.0"), b"[]")
    other = await ask(gateway, head.replace(b"100-continue", b"payment"), b"[]")

    assert invited.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400")
    assert b"INVALID_JSON" in invited
    assert plain.startswith(b"HTTP/1.1 400")
    assert (other.status, other.code) == (417, "BAD_REQUEST")
