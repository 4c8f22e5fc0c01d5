"""`Idempotency-Key`: a POST that is sent again gets the first answer again."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.running_system import System


def _registration(email: str | None = None) -> dict[str, str]:
    return {"email": email or new_email(), "password": PASSWORD, "full_name": "Ada Lovelace"}


def _post(client: Client, path: str, key: str, body: dict[str, str], token: str | None = None) -> Answer:
    return client.post(path, headers={"idempotency-key": key}, json=body, token=token)


def _replayed(answer: Answer) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def test_registering_twice(client: Client) -> None:
    """One user is made; the second answer is the first, with a request id of its own."""
    registration = _registration()

    first = _post(client, "/api/auth/register", "key-1", registration)
    second = _post(client, "/api/auth/register", "key-1", registration)

    assert (first.status, _replayed(first)) == (201, False)
    assert (second.status, _replayed(second)) == (201, True)
    assert first.data == second.data
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert client.post("/api/auth/register", json=registration).outcome == (409, "EMAIL_TAKEN")


def test_signing_in_twice(client: Client) -> None:
    """One session is opened; both answers have the same tokens."""
    ada = client.register()
    credentials = {"email": ada.email, "password": ada.password}

    first = _post(client, "/api/auth/login", f"{ada.id}-in", credentials)
    second = _post(client, "/api/auth/login", f"{ada.id}-in", credentials)

    assert first.data == second.data
    assert len(client.get("/api/auth/sessions", token=first.data["access_token"]).data) == 1


def test_signing_in_twice_from_a_browser(client: Client) -> None:
    """The cookie of the first answer is sent with the second try, which is still the same request."""
    ada = client.register()
    credentials = {"email": ada.email, "password": ada.password}

    first = _post(client, "/api/auth/login", f"{ada.id}-in", credentials)
    headers = {"idempotency-key": f"{ada.id}-in", "cookie": first.headers["set-cookie"].partition(";")[0]}
    second = client.post("/api/auth/login", headers=headers, json=credentials)

    assert (second.status, _replayed(second), second.data) == (200, True, first.data)
    assert second.headers["set-cookie"] == first.headers["set-cookie"]


def test_refreshing_by_cookie(client: Client) -> None:
    """The cookie is what is asked for: with another session's, or without one, a used key gives no tokens."""
    mine, other = _refresh_cookie(client), _refresh_cookie(client)
    key = new_email()

    first = _refresh(client, key, mine)
    again = _refresh(client, key, mine)
    of_another, of_no_session = _refresh(client, key, other), _refresh(client, key, "")

    assert (first.status, again.status, _replayed(again)) == (200, 200, True)
    assert again.data == first.data
    assert again.headers["set-cookie"] == first.headers["set-cookie"]
    for refused in (of_another, of_no_session):
        assert refused.outcome == (422, "VALIDATION_ERROR")
        assert "set-cookie" not in refused.headers


def test_refreshing_by_cookie_from_another_address(client: Client, proxied: str) -> None:
    """A phone that changes networks between its tries is still the client whose cookie it is."""
    headers = {**_AS_COOKIE, "cookie": _refresh_cookie(client), "idempotency-key": new_email()}

    first, again = (
        httpx.post(f"{proxied}/api/auth/refresh", headers={**headers, "x-forwarded-for": address}, json={})
        for address in ("192.0.2.31", "192.0.2.32")
    )

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["data"] == first.json()["data"]


_AS_COOKIE = {"x-refresh-token-in": "cookie", "sec-fetch-site": "same-origin"}


def _refresh_cookie(client: Client) -> str:
    ada = client.register()
    credentials = {"email": ada.email, "password": ada.password}
    answer = client.post("/api/auth/login", headers=_AS_COOKIE, json=credentials)
    name = "__Host-vestibule_refresh="
    return name + answer.headers["set-cookie"].partition(name)[2].partition(";")[0]


def _refresh(client: Client, key: str, cookie: str) -> Answer:
    headers = {**_AS_COOKIE, "idempotency-key": key} | ({"cookie": cookie} if cookie else {})
    return client.post("/api/auth/refresh", headers=headers, json={})


def test_another_body(client: Client) -> None:
    """Another request with a used key is refused, also on another route and after a refusal."""
    key = new_email()
    taken = client.register()
    refused = _post(client, "/api/auth/register", key, _registration(taken.email))
    again = _post(client, "/api/auth/register", key, _registration(taken.email))
    other = _post(client, "/api/auth/register", key, _registration())
    elsewhere = _post(client, "/api/auth/login", key, {"email": taken.email, "password": PASSWORD})

    assert refused.outcome == again.outcome == (409, "EMAIL_TAKEN")
    assert (_replayed(refused), _replayed(again)) == (False, True)
    assert other.outcome == elsewhere.outcome == (422, "VALIDATION_ERROR")
    assert other.fields == {"Idempotency-Key"}


def test_a_users_keys_are_their_own(client: Client) -> None:
    """Two users may choose the same key."""
    key = new_email()
    for user in (client.join(proven=True), client.join(proven=True)):
        answer = _post(client, "/api/auth/mfa/totp", key, {}, user.access_token)
        again = _post(client, "/api/auth/mfa/totp", key, {}, user.access_token)

        assert (answer.status, _replayed(answer), _replayed(again)) == (200, False, True)
        assert answer.data["secret"] == again.data["secret"]


def test_all_at_once(client: Client) -> None:
    """Of ten identical requests at the same time one is executed, and all get its answer."""
    registration = _registration()

    def register(_: int) -> Answer:
        answer = _post(client, "/api/auth/register", "at-once", registration)
        while answer.status in {503, 504}:  # A busy machine: clients send the request again.
            answer = _post(client, "/api/auth/register", "at-once", registration)
        return answer

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(register, range(10)))

    assert {answer.outcome for answer in answers} == {(201, None)}
    assert len({answer.data["id"] for answer in answers}) == 1
    assert [_replayed(answer) for answer in answers].count(False) <= 1


def test_a_lost_answer(client: Client, system: System) -> None:
    """A registration whose process died after the commit is answered when it is sent again."""
    registration = _registration()
    first = _post(client, "/api/auth/register", "lost", registration)
    system.change(
        "UPDATE auth.attempts SET sealed_answer = NULL, leased_until = '-infinity' WHERE attempt_id = $1",
        first.data["id"],
    )

    second = _post(client, "/api/auth/register", "lost", registration)

    assert (second.status, second.data["id"], _replayed(second)) == (201, first.data["id"], False)


def test_nothing_can_be_read_from_what_is_kept(client: Client, system: System) -> None:
    """Postgres holds neither key, user, password nor token of it; the record is erased with the user."""
    registration = _registration()
    answer = _post(client, "/api/auth/register", "legible-key", registration)
    ada = client.sign_in(User(answer.data["id"], registration["email"], PASSWORD, "Ada Lovelace"))
    _post(client, "/api/auth/email/resend", "legible-key", {}, ada.access_token)
    mine = "SELECT attempts::text FROM auth.attempts WHERE $1 IN (user_id, attempt_id)"
    kept = str(system.rows(mine, ada.id))

    for secret in ("legible-key", registration["email"], PASSWORD, "Lovelace"):
        assert secret not in kept
        assert secret.encode().hex() not in kept
    assert len(system.rows(mine, ada.id)) == 2
    assert (
        client.call("DELETE", "/api/users/me", token=ada.access_token, json={"password": PASSWORD}).status
        == 204
    )
    assert system.rows(mine, ada.id) == []


@pytest.mark.parametrize("key", ["", "k" * 129, b"\xe9"])
def test_what_is_no_key(client: Client, key: str | bytes) -> None:
    """A malformed key is refused by name, and nothing is done."""
    registration = _registration()
    answer = client.post("/api/auth/register", headers={"idempotency-key": key}, json=registration)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {"Idempotency-Key"}
    assert client.post("/api/auth/register", json=registration).status == 201


def test_it_takes_part_in_nothing_but_posts(client: Client, ada: User) -> None:
    """GET and PUT are repeatable anyway."""
    for name in ("Ada K", "Ada L"):
        answer = client.put(
            "/api/users/me",
            headers={"idempotency-key": "the-same"},
            json={"full_name": name},
            token=ada.access_token,
        )
        assert answer.data["full_name"] == name
