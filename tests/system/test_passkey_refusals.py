"""Passkeys that are refused: copies, replays, forgeries, other origins, other purposes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.authenticator import USER_PRESENT, Authenticator
from tests.system.client import Client, User
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


def test_a_counter_that_goes_back(client: Client, owner: Owner, system: System) -> None:
    """A copy of the authenticator is detected: refused, audited, and the counter stays."""
    for _ in range(3):
        assert log_in(client, owner.device.get(login_options(client), owner.credential)).status == 200
    copied = owner.device.get(login_options(client), owner.credential, sign_count=2)

    assert log_in(client, copied).outcome == REFUSED
    assert refusals(system, owner.user.id) == ["COUNTER_WENT_BACK"]
    ((count,),) = system.rows("SELECT sign_count FROM auth.passkeys WHERE id = $1", owner.passkey_id)
    assert count == 3


def test_replayed(client: Client, owner: Owner, system: System) -> None:
    """Of many simultaneous calls with one assertion, one signs in."""
    assertion = owner.device.get(login_options(client), owner.credential)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: log_in(client, assertion), range(16)))

    assert sorted({answer.outcome for answer in answers}, key=str) == [(200, None), REFUSED]
    assert [answer.status for answer in answers].count(200) == 1
    assert set(refusals(system, owner.user.id)) == {"NO_OPEN_CHALLENGE"}


Spoil = Callable[[Owner, dict[str, Any]], dict[str, Any]]


def _elsewhere(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    return Authenticator("https://evil.example").get(options, owner.credential)


def _in_a_frame(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    owner.device.in_frame = True
    return owner.device.get(options, owner.credential)


def _other_party(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    return owner.device.get(options, owner.credential, party_id="evil.example")


def _forged(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    return owner.device.get(options, owner.credential, key=ec.generate_private_key(ec.SECP256R1()))


def _unverified(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    return Authenticator(owner.device.origin, flags=USER_PRESENT).get(options, owner.credential)


def _another_user(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    return owner.device.get(options, owner.credential, user_handle=b"0" * 16)


def _unasked(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    return owner.device.get(options | {"challenge": "AAAA" + options["challenge"][4:]}, owner.credential)


def _garbled(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    assertion = owner.device.get(options, owner.credential)
    assertion["response"]["authenticatorData"] = "AAAA"
    return assertion


def _unknown(owner: Owner, options: dict[str, Any]) -> dict[str, Any]:
    return owner.device.get(options, owner.credential, id=b"unknown")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_elsewhere, "NOT_SIGNED_BY_IT"),
        (_in_a_frame, "NOT_SIGNED_BY_IT"),
        (_other_party, "NOT_SIGNED_BY_IT"),
        (_forged, "NOT_SIGNED_BY_IT"),
        (_unverified, "NOT_SIGNED_BY_IT"),
        (_garbled, "NOT_SIGNED_BY_IT"),
        (_another_user, "NO_SUCH_PASSKEY"),
        (_unasked, "NO_OPEN_CHALLENGE"),
        (_unknown, None),
    ],
)
def test_wrong_assertions(
    client: Client, owner: Owner, system: System, spoil: Spoil, why: str | None
) -> None:
    """The answer is the same for every reason; the audit log has the reason; nothing changes."""
    spoiled = spoil(owner, login_options(client))
    answer = log_in(client, spoiled)

    assert answer.outcome == REFUSED
    assert answer.body["error"]["message"] == "This passkey is not accepted."
    assert refusals(system, owner.user.id) == ([why] if why else [])
    ((count, used),) = system.rows(
        "SELECT sign_count, last_used_at FROM auth.passkeys WHERE id = $1", owner.passkey_id
    )
    assert (count, used) == (0, None)


@pytest.mark.parametrize(
    "credential",
    [{}, {"id": 1}, {"id": "a", "rawId": "a", "type": "public-key", "response": []}, "text", None],
)
def test_malformed(client: Client, ada: User, credential: Any) -> None:
    """What is not an answer of an authenticator is reported on its field."""
    for answer in (log_in(client, credential), add(client, ada.access_token, credential)):
        assert answer.outcome == (422, "VALIDATION_ERROR")
        assert answer.fields == {"credential"}


def test_a_challenge_has_one_purpose_one_user_and_one_session(
    client: Client, owner: Owner, origin: str
) -> None:
    """Options for signing in, of another session or user, used or old ones add no passkey."""
    token, device = owner.user.access_token, Authenticator(origin)
    options = registration_options(client, token)
    later = client.sign_in(owner.user).access_token
    other = client.join().access_token
    signing_in = options | {"challenge": login_options(client)["challenge"]}
    for bearer, asked in ((later, options), (other, options), (token, signing_in)):
        answer = add(client, bearer, device.create(asked)[1])
        assert (answer.outcome, answer.fields) == ((422, "VALIDATION_ERROR"), {"credential"})
    assert log_in(client, device.get(options, owner.credential)).outcome == REFUSED

    assert add(client, token, device.create(options)[1]).status == 201
    assert add(client, token, device.create(options)[1]).outcome == (422, "VALIDATION_ERROR")


def test_challenges_end(client: Client, owner: Owner, system: System, origin: str) -> None:
    """After five minutes options of both kinds expire. Postgres has only their digest."""
    token = owner.user.access_token
    to_add, to_sign_in = registration_options(client, token), login_options(client)
    system.change("UPDATE auth.passkey_challenges SET expires_at = expires_at - interval '5 minutes'")

    assert add(client, token, Authenticator(origin).create(to_add)[1]).fields == {"credential"}
    assert log_in(client, owner.device.get(to_sign_in, owner.credential)).outcome == REFUSED


@pytest.mark.parametrize("fault", ["origin", "unverified", "frame"])
def test_wrong_attestations(client: Client, ada: User, system: System, origin: str, fault: str) -> None:
    """From another origin, in a frame, or without user verification, no passkey is added; it is audited."""
    device = Authenticator("https://evil.example" if fault == "origin" else origin)
    if fault == "unverified":
        device.flags = USER_PRESENT
    device.in_frame = fault == "frame"
    answer = add(client, ada.access_token, device.create(registration_options(client, ada.access_token))[1])

    assert (answer.outcome, answer.fields) == ((422, "VALIDATION_ERROR"), {"credential"})
    assert client.get(PASSKEYS, token=ada.access_token).data == []
    ((noted,),) = system.rows(
        "SELECT max(outcome) FROM auth.audit_events WHERE action = 'auth.passkey_added' AND actor_id = $1",
        ada.id,
    )
    assert noted == "refused"
