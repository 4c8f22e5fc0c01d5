"""Failures as pages: for browsers that were led to an address, in the reader's language."""

import re
from typing import Any

import pytest
from devstack.valkey import Valkey

from tests.gateway.stack import Gateway, serving_gateway, settings
from tests.user_service.auth_stand_in import AuthStandIn

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OK, MISSING, TOO_MANY = 200, 404, 429


async def test_a_client_over_its_limit_gets_a_page(
    auth: AuthStandIn, users_address: str, valkey: Valkey
) -> None:
    """With its style, the wait in words, and in `Retry-After`; scripts and programs get JSON as before."""
    given = settings(auth, users_address, valkey, client_limit=1)
    async with serving_gateway(given) as gateway:
        await gateway.http.get("/api/health")
        page = await gateway.http.get("/signin", headers={**NAVIGATION, "Accept-Language": "de-AT, en;q=0.5"})
        style = await gateway.http.get("/problem.css", headers=NAVIGATION)
        script = await gateway.http.get("/signin", headers={**NAVIGATION, "Sec-Fetch-Mode": "cors"})
        program = await gateway.http.get("/signin")

    assert (page.status_code, page.headers["content-type"]) == (TOO_MANY, "text/html; charset=utf-8")
    assert 1 <= int(page.headers["retry-after"]) <= 60
    assert '<html lang="de">' in page.text
    assert re.search(r"Bitte warten Sie \d+ Sekunden", page.text)
    assert page.headers["cache-control"] == "no-store"
    assert "style-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["ratelimit-policy"]
    assert (style.status_code, style.headers["content-type"]) == (OK, "text/css; charset=utf-8")
    for answer in (script, program):
        assert (answer.status_code, answer.json()["error"]["code"]) == (TOO_MANY, "RATE_LIMITED")


@pytest.mark.parametrize(
    ("request_", "is_page"),
    [
        ({"method": "GET", "url": "/nowhere", "headers": NAVIGATION}, True),
        ({"method": "GET", "url": "/nowhere", "headers": {"Accept": "text/html"}}, True),
        ({"method": "GET", "url": "/nowhere"}, False),
        ({"method": "POST", "url": "/nowhere", "headers": NAVIGATION}, False),
        ({"method": "GET", "url": "/api/nowhere", "headers": NAVIGATION}, False),
    ],
)
async def test_which_requests_get_a_page(gateway: Gateway, request_: dict[str, Any], is_page: bool) -> None:
    """Those that a browser shows to a user, and none under `/api/`."""
    answer = await gateway.http.request(**request_)

    assert answer.status_code == MISSING
    assert answer.headers["content-type"].startswith("text/html") == is_page
    if not is_page:
        assert answer.json()["error"]["code"] == "NOT_FOUND"


async def test_the_language_that_was_chosen_wins(gateway: Gateway) -> None:
    """What a cookie or an address holds is not repeated."""
    headers = {**NAVIGATION, "Accept-Language": "en", "Cookie": "vestibule_language=de"}
    page = await gateway.http.get("/%3Cscript%3E", headers=headers)

    assert "Diese Seite gibt es nicht" in page.text
    assert "script" not in page.text
