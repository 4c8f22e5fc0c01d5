"""Passkeys with a software authenticator: adding, using and removing them."""

import pytest

from tests.fakes.authenticator import Authenticator
from tests.system.client import PASSWORD, Client, User
from tests.system.passkeys import (
    PASSKEYS,
    REFUSED,
    Owner,
    add,
    log_in,
    login_options,
    refusals,
    registration_options,
)
from tests.system.running_system import System

TOKENS = {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in", "role"}


def test_options(client: Client, owner: Owner) -> None:
    """A browser is asked for a discoverable passkey with user verification, and not for a known one."""
    options = registration_options(client, owner.user.access_token)

    assert (options["rp"]["id"], options["user"]["name"]) == ("localhost", owner.user.email)
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert -7 in [each["alg"] for each in options["pubKeyCredParams"]]
    assert len(options["excludeCredentials"]) == 1
    signing_in = login_options(client)
    assert (signing_in["rpId"], signing_in["userVerification"]) == ("localhost", "required")
    assert signing_in["allowCredentials"] == []
    assert len({options["challenge"], signing_in["challenge"], login_options(client)["challenge"]}) == 3


@pytest.mark.parametrize("attestation", ["none", "packed"])
def test_sign_in(client: Client, system: System, origin: str, attestation: str) -> None:
    """A passkey opens a session without a password."""
    user, device = client.join(proven=True), Authenticator(origin)
    options = registration_options(client, user.access_token)
    credential, made = device.create(options, attestation=attestation)
    added = add(client, user.access_token, made, "Laptop ☕")
    assert (added.data["name"], added.data["last_used_at"]) == ("Laptop ☕", None)

    answer = log_in(client, device.get(login_options(client), credential))

    assert answer.outcome == (200, None), answer.text
    assert set(answer.data) == TOKENS
    assert answer.headers["set-cookie"].startswith("vestibule_device=")
    assert client.who(answer.data["access_token"]).data["id"] == user.id
    listed = client.get(PASSKEYS, token=answer.data["access_token"]).data
    assert [each["id"] for each in listed] == [added.data["id"]]
    assert listed[0]["last_used_at"]
    assert set(listed[0]) == {"id", "name", "backed_up", "created_at", "last_used_at"}
    audited = system.rows(
        "SELECT action FROM auth.audit_events WHERE details ->> 'passkey_id' = $1 ORDER BY sequence",
        added.data["id"],
    )
    assert [action for (action,) in audited] == ["auth.passkey_added", "auth.login"]


def test_it_counts_as_both_factors(client: Client, owner: Owner, system: System) -> None:
    """With a second factor on, the password needs it and the passkey does not."""
    system.change("UPDATE auth.credentials SET second_factor = true WHERE user_id = $1", owner.user.id)
    by_password = client.post("/api/auth/login", json={"email": owner.user.email, "password": PASSWORD})
    by_passkey = log_in(client, owner.device.get(login_options(client), owner.credential))

    assert by_password.data["mfa_required"] is True
    assert set(by_passkey.data) == TOKENS


def test_a_counter_that_does_not_count(client: Client, origin: str) -> None:
    """The counter of most synced passkeys is always 0."""
    user, device = client.join(proven=True), Authenticator(origin, counts=False)
    credential, made = device.create(registration_options(client, user.access_token))
    add(client, user.access_token, made)
    for _ in range(2):
        assert log_in(client, device.get(login_options(client), credential)).status == 200


def test_it_takes_the_password(client: Client, owner: Owner) -> None:
    """A session alone neither adds nor removes a passkey."""
    token = owner.user.access_token
    for answer in (
        client.post(f"{PASSKEYS}/options", token=token, json={"password": "wrong-guess-of-eve"}),
        client.delete(f"{PASSKEYS}/{owner.passkey_id}", token=token, json={"password": "wrong-guess-of-eve"}),
    ):
        assert (answer.outcome, answer.fields) == ((422, "VALIDATION_ERROR"), {"password"})
    assert len(client.get(PASSKEYS, token=token).data) == 1


def test_removing(client: Client, owner: Owner, system: System) -> None:
    """Only its user removes it, and it signs no user in afterwards."""
    path, body = f"{PASSKEYS}/{owner.passkey_id}", {"password": PASSWORD}
    eve = client.join(proven=True)
    assert client.delete(path, token=eve.access_token, json=body).outcome == (404, "NOT_FOUND")
    options = login_options(client)

    assert client.delete(path, token=owner.user.access_token, json=body).status == 204

    assert log_in(client, owner.device.get(options, owner.credential)).outcome == REFUSED
    assert client.get(PASSKEYS, token=owner.user.access_token).data == []
    assert client.delete(path, token=owner.user.access_token, json=body).outcome == (404, "NOT_FOUND")
    ((actor,),) = system.rows(
        "SELECT actor_id::text FROM auth.audit_events WHERE action = 'auth.passkey_removed'"
        " AND details ->> 'passkey_id' = $1",
        owner.passkey_id,
    )
    assert actor == owner.user.id


def test_there_are_twenty_at_most(client: Client, owner: Owner, system: System, origin: str) -> None:
    """The limit holds at both steps; a passkey belongs to one user."""
    token = owner.user.access_token
    options = registration_options(client, token)
    system.change(
        "INSERT INTO auth.passkeys (id, user_id, name, credential_id, public_key, sign_count, transports,"
        " is_backed_up) SELECT gen_random_uuid(), $1, '', uuid_send(gen_random_uuid()), '', 0, '{}', false"
        " FROM generate_series(1, 19)",
        owner.user.id,
    )

    assert add(client, token, Authenticator(origin).create(options)[1]).outcome == (409, "CONFLICT")
    more = client.post(f"{PASSKEYS}/options", token=token, json={"password": PASSWORD})
    assert more.outcome == (409, "CONFLICT")


def test_a_deactivated_account(client: Client, owner: Owner, admin: User, system: System) -> None:
    """The account's state is reported to its passkey, as it is to its password."""
    path = f"/api/users/{owner.user.id}"
    assert client.put(path, token=admin.access_token, json={"is_active": False}).status == 200
    answer = log_in(client, owner.device.get(login_options(client), owner.credential))

    assert answer.outcome == (403, "ACCOUNT_DISABLED")
    assert refusals(system, owner.user.id) == ["ACCOUNT_DISABLED"]


def test_export_and_erasure(client: Client, owner: Owner, system: System) -> None:
    """A passkey is listed with its name and times, and is erased with its user."""
    token = owner.user.access_token
    registration_options(client, token)
    exported = client.get("/api/users/me/export", token=token)
    (factor,) = exported.data["account"]["second_factors"]
    assert (factor["kind"], factor["name"]) == ("passkey", "Ada's phone")
    assert factor["created_at"]
    assert factor["last_used_at"] is None
    assert client.delete("/api/users/me", token=token, json={"password": PASSWORD}).status == 204

    for table in ("passkeys", "passkey_challenges"):
        assert system.rows(f"SELECT FROM auth.{table} WHERE user_id = $1", owner.user.id) == []
    assert log_in(client, owner.device.get(login_options(client), owner.credential)).outcome == REFUSED


def test_who_is_not_signed_in_has_none(client: Client) -> None:
    """Without a token there is only signing in."""
    for answer in (
        client.get(PASSKEYS),
        client.post(f"{PASSKEYS}/options", json={"password": PASSWORD}),
        client.post(PASSKEYS, json={"name": "x", "credential": {}}),
    ):
        assert answer.status == 401
