"""Passkeys from outside, with a software authenticator: adding, using, removing, and what does not count."""

import pytest

from tests.fakes.authenticator import Authenticator
from tests.system.edge import PASSWORD, Edge, Person
from tests.system.house import House
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

TOKENS = {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in", "role"}


def test_options(edge: Edge, owner: Owner) -> None:
    """A browser is asked for a discoverable passkey that recognises its person, and not for a known one."""
    options = registration_options(edge, owner.person.access_token)

    assert (options["rp"]["id"], options["user"]["name"]) == ("localhost", owner.person.email)
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert -7 in [each["alg"] for each in options["pubKeyCredParams"]]
    assert len(options["excludeCredentials"]) == 1
    signing_in = login_options(edge)
    assert (signing_in["rpId"], signing_in["userVerification"]) == ("localhost", "required")
    assert signing_in["allowCredentials"] == []
    assert len({options["challenge"], signing_in["challenge"], login_options(edge)["challenge"]}) == 3


@pytest.mark.parametrize("attestation", ["none", "packed"])
def test_sign_in(edge: Edge, house: House, origin: str, attestation: str) -> None:
    """A passkey opens a session without a password; what it said of itself before may have been signed."""
    person, device = edge.join(proven=True), Authenticator(origin)
    options = registration_options(edge, person.access_token)
    credential, made = device.create(options, attestation=attestation)
    added = add(edge, person.access_token, made, "Laptop ☕")
    assert (added.data["name"], added.data["last_used_at"]) == ("Laptop ☕", None)

    answer = log_in(edge, device.get(login_options(edge), credential))

    assert answer.outcome == (200, None), answer.text
    assert set(answer.data) == TOKENS
    assert answer.headers["set-cookie"].startswith("vestibule_device=")
    assert edge.who(answer.data["access_token"]).data["id"] == person.id
    listed = edge.get(PASSKEYS, token=answer.data["access_token"]).data
    assert [each["id"] for each in listed] == [added.data["id"]]
    assert listed[0]["last_used_at"]
    assert set(listed[0]) == {"id", "name", "backed_up", "created_at", "last_used_at"}
    told = house.rows(
        "SELECT action FROM auth.audit_events WHERE details ->> 'passkey_id' = $1 ORDER BY sequence",
        added.data["id"],
    )
    assert [action for (action,) in told] == ["auth.passkey_added", "auth.login"]


def test_it_counts_as_both_factors(edge: Edge, owner: Owner, house: House) -> None:
    """With a second factor on, the password asks for it and the passkey does not."""
    house.change("UPDATE auth.credentials SET second_factor = true WHERE user_id = $1", owner.person.id)
    by_password = edge.post("/api/auth/login", json={"email": owner.person.email, "password": PASSWORD})
    by_passkey = log_in(edge, owner.device.get(login_options(edge), owner.credential))

    assert by_password.data["mfa_required"] is True
    assert set(by_passkey.data) == TOKENS


def test_a_counter_that_does_not_count(edge: Edge, origin: str) -> None:
    """Most synced passkeys say 0 for ever."""
    person, device = edge.join(proven=True), Authenticator(origin, counts=False)
    credential, made = device.create(registration_options(edge, person.access_token))
    add(edge, person.access_token, made)
    for _ in range(2):
        assert log_in(edge, device.get(login_options(edge), credential)).status == 200


def test_it_takes_the_password(edge: Edge, owner: Owner) -> None:
    """A session alone neither adds nor removes a way in."""
    token = owner.person.access_token
    for answer in (
        edge.post(f"{PASSKEYS}/options", token=token, json={"password": "wrong-guess-of-eve"}),
        edge.delete(f"{PASSKEYS}/{owner.passkey_id}", token=token, json={"password": "wrong-guess-of-eve"}),
    ):
        assert (answer.outcome, answer.fields) == ((422, "VALIDATION_ERROR"), {"password"})
    assert len(edge.get(PASSKEYS, token=token).data) == 1


def test_removing(edge: Edge, owner: Owner, house: House) -> None:
    """It is its person's alone to remove, and signs nobody in afterwards."""
    path, body = f"{PASSKEYS}/{owner.passkey_id}", {"password": PASSWORD}
    eve = edge.join(proven=True)
    assert edge.delete(path, token=eve.access_token, json=body).outcome == (404, "NOT_FOUND")
    options = login_options(edge)

    assert edge.delete(path, token=owner.person.access_token, json=body).status == 204

    assert log_in(edge, owner.device.get(options, owner.credential)).outcome == REFUSED
    assert edge.get(PASSKEYS, token=owner.person.access_token).data == []
    assert edge.delete(path, token=owner.person.access_token, json=body).outcome == (404, "NOT_FOUND")
    ((actor,),) = house.rows(
        "SELECT actor_id::text FROM auth.audit_events WHERE action = 'auth.passkey_removed'"
        " AND details ->> 'passkey_id' = $1",
        owner.passkey_id,
    )
    assert actor == owner.person.id


def test_there_are_twenty_at_most(edge: Edge, owner: Owner, house: House, origin: str) -> None:
    """The limit holds at both steps; a passkey is somebody's once."""
    token = owner.person.access_token
    options = registration_options(edge, token)
    house.change(
        "INSERT INTO auth.passkeys (id, user_id, name, credential_id, public_key, sign_count, transports,"
        " is_backed_up) SELECT gen_random_uuid(), $1, '', uuid_send(gen_random_uuid()), '', 0, '{}', false"
        " FROM generate_series(1, 19)",
        owner.person.id,
    )

    assert add(edge, token, Authenticator(origin).create(options)[1]).outcome == (409, "CONFLICT")
    more = edge.post(f"{PASSKEYS}/options", token=token, json={"password": PASSWORD})
    assert more.outcome == (409, "CONFLICT")


def test_a_deactivated_account(edge: Edge, owner: Owner, admin: Person, house: House) -> None:
    """Is told so to whoever has its passkey, as to whoever has its password."""
    path = f"/api/users/{owner.person.id}"
    assert edge.put(path, token=admin.access_token, json={"is_active": False}).status == 200
    answer = log_in(edge, owner.device.get(login_options(edge), owner.credential))

    assert answer.outcome == (403, "ACCOUNT_DISABLED")
    assert refusals(house, owner.person.id) == ["ACCOUNT_DISABLED"]


def test_export_and_erasure(edge: Edge, owner: Owner, house: House) -> None:
    """A passkey is told of by name and times, and goes with its person."""
    token = owner.person.access_token
    registration_options(edge, token)
    exported = edge.get("/api/users/me/export", token=token)
    (factor,) = exported.data["account"]["second_factors"]
    assert (factor["kind"], factor["name"]) == ("passkey", "Ada's phone")
    assert factor["created_at"]
    assert factor["last_used_at"] is None
    assert edge.delete("/api/users/me", token=token, json={"password": PASSWORD}).status == 204

    for table in ("passkeys", "passkey_challenges"):
        assert house.rows(f"SELECT FROM auth.{table} WHERE user_id = $1", owner.person.id) == []
    assert log_in(edge, owner.device.get(login_options(edge), owner.credential)).outcome == REFUSED


def test_who_is_not_signed_in_has_none(edge: Edge) -> None:
    """Nothing but signing in is for strangers."""
    for answer in (
        edge.get(PASSKEYS),
        edge.post(f"{PASSKEYS}/options", json={"password": PASSWORD}),
        edge.post(PASSKEYS, json={"name": "x", "credential": {}}),
    ):
        assert answer.status == 401
