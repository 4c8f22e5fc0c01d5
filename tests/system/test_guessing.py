"""Guessing passwords: it locks no user out, fills no audit log, and gains nothing from simultaneous tries."""

import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest
from gateway.api.descriptors import load
from gateway.api.routes import Route, compile_routes
from vestibule.api.v1 import options_pb2

from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.running_system import System
from tests.waiting import wait_for

REFUSALS = int(os.environ.get("REFUSALS", "40"))
"""How many refusals are caused in all; set it to 10000 for the full measurement."""

GUESSES = 60
GUESSES_MAX = 5
ADDRESSES = 56
SLOWEST_SECONDS = 15.0
"""A sign-in under attack is delayed 10 s at most; the rest is for a busy machine."""
PROMPT_SECONDS = 5.0
IN_ALL_SECONDS = 30.0
"""Until the user is signed in, tries included that a busy machine refused."""

ROUTES = [
    route for route in compile_routes(load().services) if route.policy.access == options_pb2.ACCESS_SIGNED_IN
]

Stranger = Callable[[Client], Answer]


def _token() -> str:
    return secrets.token_urlsafe(32)


def _password_field(route: Route) -> str:
    """Returns the field that takes the caller's present password; empty without one."""
    names = {"password", "old_password"} & set(route.policy.descriptor.input_type.fields_by_name)
    return names.pop() if names else ""


STRANGERS: dict[str, Stranger] = {
    "verify": lambda client: client.post("/api/auth/email/verify", json={"token": _token()}),
    "undo": lambda client: client.post("/api/auth/email/undo", json={"token": _token()}),
    "reset": lambda client: client.post(
        "/api/auth/password/reset", json={"token": _token(), "new_password": "marble-otter-77-lantern"}
    ),
    "forgot": lambda client: client.post("/api/auth/password/forgot", json={"email": new_email()}),
    "login": lambda client: client.post(
        "/api/auth/login", json={"email": new_email(), "password": "a-guess"}
    ),
    "mfa": lambda client: client.post("/api/auth/mfa/verify", json={"mfa_token": _token(), "code": "123456"}),
    "key": lambda client: client.get("/api/auth/me", token=f"vst_{'a' * 12}_{secrets.token_hex(32)}"),
    "refresh": lambda client: client.post("/api/auth/refresh", json={"refresh_token": _token()}),
}


def test_strangers_do_not_write_the_audit(client: Client, system: System) -> None:
    """Refusals that concern no user are counted and not audited: wrong tokens, addresses, codes and keys."""

    def length() -> int:
        return int(system.rows("SELECT count(*) FROM auth.audit_events")[0][0])

    before, outcomes = length(), Counter[tuple[str, int]]()
    each = REFUSALS // len(STRANGERS)

    def refuse(name: str) -> None:
        for _ in range(each):
            outcomes[name, STRANGERS[name](client).status] += 1

    with ThreadPoolExecutor(len(STRANGERS)) as pool:
        list(pool.map(refuse, STRANGERS))

    expected = {name: 202 if name == "forgot" else 401 for name in STRANGERS}
    assert outcomes == dict.fromkeys(expected.items(), each)
    assert length() == before


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if _password_field(route)],
    ids=lambda route: route.policy.descriptor.name,
)
def test_guesses_at_once_are_no_more_than_one_after_another(client: Client, route: Route) -> None:
    """Of sixty simultaneous wrong passwords five are checked, by every call that takes the password."""
    user = client.join(proven=True)
    fields = route.policy.descriptor.input_type.fields_by_name
    path = "/" + "/".join(part if isinstance(part, str) else str(uuid4()) for part in route.segments)

    def guess(number: int) -> tuple[int, str | None]:
        body = {_password_field(route): f"a-wrong-guess-{number}"}
        if "new_password" in fields:
            body["new_password"] = "marble-otter-77-lantern"
        return client.call(route.method, path, token=user.access_token, json=body).outcome

    with ThreadPoolExecutor(GUESSES) as pool:
        outcomes = Counter(pool.map(guess, range(GUESSES)))

    refused = outcomes[429, "TOO_MANY_ATTEMPTS"] + outcomes[503, "UNAVAILABLE"]
    assert 0 < GUESSES - refused <= GUESSES_MAX, outcomes


def _login(
    url: str, address: str, email: str, password: str, cookie: str = "", http: httpx.Client | None = None
) -> httpx.Response:
    headers = {"X-Forwarded-For": address} | ({"Cookie": f"vestibule_device={cookie}"} if cookie else {})
    body = {"email": email, "password": password}
    post = httpx.post if http is None else http.post
    return post(f"{url}/api/auth/login", json=body, headers=headers, timeout=60)


def _sign_in(url: str, address: str, user: User, cookie: str = "") -> tuple[httpx.Response, float]:
    """Signs in, again while a busy machine answers 503 or 504; returns how long the last try took too."""

    def tried() -> tuple[httpx.Response, float] | None:
        began = time.monotonic()
        response = _login(url, address, user.email, PASSWORD, cookie)
        seconds = time.monotonic() - began
        return None if response.is_server_error else (response, seconds)

    return wait_for(tried, within_seconds=IN_ALL_SECONDS)


@pytest.mark.nightly
def test_an_account_under_attack_is_its_owners(client: Client, proxied: str) -> None:
    """Under guesses from 56 addresses the user signs in after a delay, from a known browser without."""
    user = client.join()
    known = _login(proxied, "192.0.2.7", user.email, PASSWORD).cookies["vestibule_device"]
    tries: list[int] = []
    ended = threading.Event()

    def attack(number: int) -> None:
        with httpx.Client() as http:
            while not ended.is_set():
                _login(proxied, f"198.51.100.{number}", user.email, f"wrong-{len(tries)}", http=http)
                tries.append(number)

    with ThreadPoolExecutor(ADDRESSES) as pool, ExitStack() as stack:
        stack.callback(ended.set)
        attackers = [pool.submit(attack, number) for number in range(ADDRESSES)]
        wait_for(lambda: len(tries) > ADDRESSES)
        new_place, waited = _sign_in(proxied, "203.0.113.9", user)
        same_browser, waited_known = _sign_in(proxied, "203.0.113.10", user, known)
    for attacker in attackers:
        attacker.result()

    assert new_place.status_code == 200, new_place.text
    assert same_browser.status_code == 200, same_browser.text
    assert waited <= SLOWEST_SECONDS
    assert waited_known <= PROMPT_SECONDS


def _attributes(response: httpx.Response) -> set[str]:
    """Returns the attributes of the only cookie of an answer."""
    (field,) = response.headers.get_list("set-cookie")
    assert field.startswith("vestibule_device=")
    return {part.strip() for part in field.split(";")[1:]}


def test_the_cookie_of_a_browser(client: Client, base_url: str, proxied: str) -> None:
    """Scripts cannot read it; it is sent to this site and path only, and over TLS where TLS is used."""
    user = client.join()
    body = {"email": user.email, "password": PASSWORD}
    plain = {"Path=/api/auth", "Max-Age=7776000", "HttpOnly", "SameSite=Strict"}
    over_tls = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.8"}

    def sign_in(url: str, headers: dict[str, str]) -> httpx.Response:
        return httpx.post(f"{url}/api/auth/login", json=body, headers=headers, timeout=30)

    assert _attributes(sign_in(base_url, {})) == plain
    assert _attributes(sign_in(proxied, {"X-Forwarded-For": "192.0.2.8"})) == plain
    assert _attributes(sign_in(proxied, over_tls)) == plain | {"Secure"}
    assert _attributes(sign_in(base_url, over_tls)) == plain, "this client is not a trusted proxy"


def test_a_retried_sign_in_has_the_cookie_too(client: Client, ada: User) -> None:
    """The first answer may have been lost with its cookie."""
    body = {"email": ada.email, "password": PASSWORD}
    headers = {"Idempotency-Key": secrets.token_hex(16)}
    first, again = (
        httpx.post(f"{client.url}/api/auth/login", json=body, headers=headers, timeout=30) for _ in range(2)
    )

    assert again.json()["data"] == first.json()["data"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert _attributes(again) == _attributes(first)
