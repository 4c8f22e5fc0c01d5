"""What protects pages and their cookie, as seen by HTTP."""

import re

import httpx
from devstack.stack import Stack

from tests.system.client import Client, User

COOKIE = "__Host-vestibule_refresh"


def test_the_cookie_counts_for_this_origin_alone(client: Client, ada: User) -> None:
    """A page of another origin can neither get it nor have it used, and a program is served as ever."""
    credentials = {"email": ada.email, "password": ada.password}
    wanted = {"x-refresh-token-in": "cookie"}
    for foreign in (
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": client.url},
    ):
        refused = client.post("/api/auth/login", json=credentials, headers=wanted | foreign)
        assert refused.outcome == (403, "FORBIDDEN"), foreign
    own = wanted | {"origin": client.url}
    signed_in = client.post("/api/auth/login", json=credentials, headers=own)
    cookie = signed_in.headers["set-cookie"].partition(COOKIE)[2].partition(";")[0].removeprefix("=")
    sent = {"cookie": f"{COOKIE}={cookie}"}

    unasked = client.post("/api/auth/refresh", json={}, headers=sent)
    # What a neighbouring host can set, whatever the prefix of the name forbids it.
    for planted in (f"planted=x,{COOKIE}={cookie}", f"\xa0{COOKIE}={cookie}"):
        headers = own | {"cookie": planted.encode("latin-1")}
        refused = client.post("/api/auth/refresh", json={}, headers=headers)
        assert refused.outcome == (401, "UNAUTHENTICATED"), planted
    forged = client.post(
        "/api/auth/refresh", json={}, headers=wanted | sent | {"sec-fetch-site": "cross-site"}
    )
    refreshed = client.post("/api/auth/refresh", json={}, headers=own | sent)
    left = client.post("/api/auth/logout", token=refreshed.data["access_token"])

    assert (unasked.outcome, unasked.fields) == ((422, "VALIDATION_ERROR"), {"refresh_token"})
    assert forged.outcome == (403, "FORBIDDEN")
    assert signed_in.data["refresh_token"] is None
    assert refreshed.data["refresh_token"] is None
    assert "Secure" in refreshed.headers["set-cookie"]
    assert f"{COOKIE}=; Path=/; Max-Age=0" in left.headers["set-cookie"]


def test_a_page_is_kept_and_confirmed_and_its_files_are_kept_for_good(stack: Stack) -> None:
    """Browsers take the headers of a 304 for the page that they have, so it protects the page too."""
    page = httpx.get(f"{stack.base_url}/signin")
    confirmed = httpx.get(f"{stack.base_url}/signin", headers={"if-none-match": page.headers["etag"]})
    german = httpx.get(
        f"{stack.base_url}/signin",
        headers={"if-none-match": page.headers["etag"], "accept-language": "de"},
    )
    style = re.search(r"/pages/[0-9a-f]+/style.css", page.text)
    assert style is not None
    file = httpx.get(stack.base_url + style[0])
    other = httpx.get(f"{stack.base_url}/pages/0123456789abcdef/style.css")

    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"
    assert (confirmed.status_code, confirmed.content) == (304, b"")
    assert confirmed.headers["content-security-policy"] == policy
    assert german.status_code == 200
    assert file.headers["cache-control"] == "public, max-age=31536000"
    assert (other.status_code, other.headers["cache-control"]) == (404, "no-store")
