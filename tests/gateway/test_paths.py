"""One rule for paths: what RFC 3986 says is the same is the same."""

import pytest

from tests.chassis.waiting import until
from tests.gateway.raw import HOST, ask
from tests.gateway.stack import FakeUpstream, Gateway


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
async def test_one_rule_for_paths(gateway: Gateway, token: str, target: bytes, status: int) -> None:
    """Unreserved characters are the same encoded or not; nothing else is."""
    got = await ask(
        gateway,
        b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + token.encode() + b"\r\n\r\n",
    )

    assert got.status == status


async def test_encoded_paths_have_one_name_in_metrics(
    gateway: Gateway, upstream: FakeUpstream, token: str
) -> None:
    """The route's template, and one answer in the cache."""
    headers = {"Authorization": f"Bearer {token}"}

    async def is_cached() -> bool:
        upstream.calls.clear()
        await gateway.http.get("/api/users/me", headers=headers)
        return not upstream.calls

    await until(is_cached)
    for path in ("/api/users/%6De", "/%61pi/users/me"):
        await gateway.http.get(path, headers=headers)
    await gateway.http.get("/he%61lth")
    text = (await gateway.http.get("/metrics")).text

    assert not upstream.calls
    assert "%6" not in text
    assert 'route="/health"' in text
