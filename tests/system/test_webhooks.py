"""Webhooks through the gateway: managed by admins, delivered to a real endpoint, signed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.system.client import Answer, Client, User, new_email
from tests.system.held_responses import HeldResponses
from tests.system.running_system import System
from tests.waiting import wait_for
from tests.webhook_receiver import Message, Receiver, status

PATH = "/api/admin/webhooks"
EVENTS = ["user.registered", "user.changed", "user.deactivated", "user.erased"]


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(name="webhook")
def _webhook(client: Client, admin: User, receiver: Receiver) -> Iterator[dict[str, Any]]:
    """A webhook that leads to the receiver, as it was answered, with its secret."""
    body = {"url": receiver.url, "events": EVENTS, "description": "CRM"}
    created = client.post(PATH, token=admin.access_token, json=body)
    assert created.outcome == (201, None), created.text
    yield created.data
    client.delete(f"{PATH}/{created.data['id']}", token=admin.access_token)


def test_a_users_events_arrive(
    client: Client, admin: User, receiver: Receiver, webhook: dict[str, Any]
) -> None:
    """From registering to erasure, each signed, and listed as delivered."""
    user = client.join()
    path = f"/api/users/{user.id}"
    assert client.put(path, token=admin.access_token, json={"full_name": "Ada King"}).status == 200
    assert client.put(path, token=admin.access_token, json={"is_active": False}).status == 200
    assert client.delete(path, token=admin.access_token).status == 204

    def about_user() -> list[dict[str, Any]]:
        said = [message.content for message in receiver.messages]
        return [each for each in said if each["data"]["user_id"] == user.id]

    wait_for(lambda: len(about_user()) >= 5)
    assert sorted((each["type"], each["data"]["version"]) for each in about_user()) == [
        ("user.changed", 2),
        ("user.changed", 3),
        ("user.deactivated", 3),
        ("user.erased", 4),
        ("user.registered", 1),
    ]
    for message in receiver.messages:
        Verifier(webhook["secret"]).verify(message.body, message.headers)
        assert user.email.encode() not in message.body

    def delivered() -> list[dict[str, Any]]:
        listed = client.get(
            f"{PATH}/{webhook['id']}/deliveries", token=admin.access_token, params={"state": "delivered"}
        )
        assert listed.pagination["total_items"] >= len(listed.data)
        return [each for each in listed.data if each["user_id"] == user.id]

    wait_for(lambda: len(delivered()) == 5)
    assert delivered()[0]["last_status"] == 204


def test_managing(client: Client, admin: User, receiver: Receiver, webhook: dict[str, Any]) -> None:
    """Read, changed, with a new secret, and removed; the secret is shown when it is new and never again."""
    path = f"{PATH}/{webhook['id']}"
    token = admin.access_token
    assert webhook["secret"].startswith("whsec_")
    read = client.get(path, token=token).data
    assert (read["url"], read["events"], read["is_active"]) == (receiver.url, EVENTS, True)
    assert "secret" not in read
    assert webhook["id"] in [each["id"] for each in client.get(PATH, token=token).data]

    assert set(read) | {"secret"} == set(webhook)

    none = client.put(path, token=token, json={"events": []})
    assert (none.outcome, none.fields) == ((422, "VALIDATION_ERROR"), {"events"})
    changed = client.put(path, token=token, json={"events": ["user.erased"]})
    changed = client.put(path, token=token, json={"is_active": False})
    assert (changed.data["events"], changed.data["is_active"]) == (["user.erased"], False)
    rotated = client.post(f"{path}/secret", token=token)
    assert rotated.data["secret"] != webhook["secret"]
    assert client.delete(path, token=token).status == 204
    for answer in (client.get(path, token=token), client.delete(path, token=token)):
        assert answer.outcome == (404, "NOT_FOUND")


def test_pages(client: Client, admin: User, webhook: dict[str, Any]) -> None:
    """Lists are read page by page, by number or by cursor, the newest first."""
    for _ in range(3):
        client.register()
    for path, rows in ((PATH, 1), (f"{PATH}/{webhook['id']}/deliveries", 3)):
        seen, cursor = [], None
        for _ in range(30):
            which = {"page_size": "1"} | ({"cursor": cursor} if cursor else {})
            listed = client.get(path, token=admin.access_token, params=which)
            seen += [each["id"] for each in listed.data]
            cursor = listed.pagination["next_cursor"]
            if cursor is None:
                break
        assert len(seen) >= rows
        assert seen == sorted(seen, reverse=True)
        second = client.get(path, token=admin.access_token, params={"page_size": "1", "page": "2"})
        assert [each["id"] for each in second.data] == seen[1:2]
        refused = client.get(path, token=admin.access_token, params={"cursor": "x"})
        assert refused.fields == {"cursor"}


def test_resending(client: Client, admin: User, receiver: Receiver, webhook: dict[str, Any]) -> None:
    """The same message arrives once more."""
    receiver.behaves = status(410)
    client.register()
    listing = f"{PATH}/{webhook['id']}/deliveries"

    def dead() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get(
            listing, token=admin.access_token, params={"state": "dead"}
        ).data
        return found

    (given_up,) = wait_for(dead)[:1]
    assert (given_up["last_status"], given_up["next_attempt_at"]) == (410, None)
    off = client.get(f"{PATH}/{webhook['id']}", token=admin.access_token).data
    assert (off["is_active"], off["disabled_reason"]) == (False, "gone")
    receiver.behaves = status(204)
    client.put(f"{PATH}/{webhook['id']}", token=admin.access_token, json={"is_active": True})
    resent = client.post(f"{listing}/{given_up['id']}/resend", token=admin.access_token)

    assert (resent.status, resent.data["state"]) == (202, "pending")

    def arrived() -> list[Message]:
        return [each for each in receiver.messages if each.headers["webhook-id"] == given_up["id"]]

    wait_for(lambda: len(arrived()) == 2)
    assert arrived()[0].body == arrived()[1].body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "https://169.254.169.254/", "events": EVENTS}, "url"),
        ({"url": "https://10.0.0.1/hook", "events": EVENTS}, "url"),
        ({"url": "https://me:pw@example.com/", "events": EVENTS}, "url"),
        ({"url": "file:///etc/passwd", "events": EVENTS}, "url"),
        ({"url": "https://example.com/", "events": ["user.sang"]}, "events[0]"),
        ({"url": "https://example.com/", "events": []}, "events"),
        ({"events": EVENTS}, "url"),
    ],
)
def test_what_is_refused(client: Client, admin: User, body: dict[str, Any], field: str) -> None:
    """With the field's name."""
    answer = client.post(PATH, token=admin.access_token, json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {field}


def test_who_may(client: Client, system: System, admin: User) -> None:
    """Admins alone, none without a token."""
    user = client.join()
    for method, path in (("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/{user.id}/deliveries")):
        body = {"url": "https://example.com/", "events": EVENTS} if method == "POST" else None
        assert client.call(method, path, token=user.access_token, json=body).outcome == (403, "FORBIDDEN")
        assert client.call(method, path, json=body).outcome == (401, "UNAUTHENTICATED")


def test_adding_twice(client: Client, admin: User, system: System, receiver: Receiver) -> None:
    """One key is one webhook and one secret; with another body it is refused. The secret is not legible."""
    key, body = new_email(), {"url": receiver.url, "events": EVENTS}
    first, second = (_add(client, admin, key, body) for _ in range(2))
    other = _add(client, admin, key, body | {"events": ["user.erased"]})
    webhook = f"{PATH}/{first.data['id']}"
    rotated, again = (
        client.post(f"{webhook}/secret", headers={"idempotency-key": key + "2"}, token=admin.access_token)
        for _ in range(2)
    )
    kept = str(system.rows("SELECT attempts::text FROM users.attempts"))
    listed = client.get(PATH, token=admin.access_token).data
    client.delete(webhook, token=admin.access_token)

    assert (first.status, first.headers.get("idempotency-replayed")) == (201, None)
    assert (second.status, second.headers.get("idempotency-replayed")) == (201, "true")
    assert second.data == first.data
    assert (other.outcome, other.fields) == ((422, "VALIDATION_ERROR"), {"Idempotency-Key"})
    assert [each["url"] for each in listed].count(receiver.url) == 1
    assert again.data == rotated.data
    assert rotated.data["secret"] != first.data["secret"]
    for secret in (key, receiver.url, first.data["secret"], rotated.data["secret"]):
        assert secret not in kept
        assert secret.encode().hex() not in kept


@pytest.mark.nightly
def test_a_lost_response(client: Client, admin: User, system: System, receiver: Receiver) -> None:
    """user-service dies after it has added a webhook: the retry gets that one, whose secret verifies."""
    key, body = new_email(), {"url": receiver.url, "events": ["user.registered"]}
    held = HeldResponses(system, "users")
    held.hold()
    try:
        with ThreadPoolExecutor(1) as clients:
            lost = clients.submit(_add, client, admin, key, body)
            held.wait(1)
            system.kill("user-service")
            assert lost.result().status in (503, 504)
    finally:
        held.let_go()
    held.end_leases()
    system.start("user-service")

    found, replayed = (_add(client, admin, key, body) for _ in range(2))

    assert (found.status, found.headers.get("idempotency-replayed")) == (201, None)
    assert (replayed.data, replayed.headers.get("idempotency-replayed")) == (found.data, "true")
    listed = client.get(PATH, token=admin.access_token).data
    assert [each["id"] for each in listed if each["url"] == receiver.url] == [found.data["id"]]
    client.register()
    message = wait_for(lambda: receiver.messages)[0]
    Verifier(found.data["secret"]).verify(message.body, message.headers)
    client.delete(f"{PATH}/{found.data['id']}", token=admin.access_token)


def _add(client: Client, admin: User, key: str, body: dict[str, Any]) -> Answer:
    return client.post(PATH, headers={"idempotency-key": key}, token=admin.access_token, json=body)
