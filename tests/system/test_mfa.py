"""The second factor: turning it on, signing in with it, and what is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pyotp
import pytest

from tests.system.client import PASSWORD, Answer, Client, User
from tests.system.mailbox import Mailbox
from tests.system.running_system import System

STEP_SECONDS = 30


@dataclass(frozen=True)
class Guarded:
    """A user with a second factor."""

    user: User
    totp: pyotp.TOTP
    recovery_codes: list[str]

    def code(self, drift: int = 1) -> str:
        """Returns the code of a step from now; the current one was used to turn it on."""
        return self.totp.at(time.time() + drift * STEP_SECONDS)


def _guard(client: Client) -> Guarded:
    user = client.join(proven=True)
    begun = client.post("/api/auth/mfa/totp", token=user.access_token)
    assert begun.outcome == (200, None), begun.text
    totp = pyotp.TOTP(begun.data["secret"])
    assert begun.data["otpauth_uri"].startswith("otpauth://totp/")
    # A step back, so that the codes of this step and the next are unused.
    code = totp.at(time.time() - STEP_SECONDS)
    confirmed = client.post("/api/auth/mfa/totp/confirm", token=user.access_token, json={"code": code})
    assert confirmed.outcome == (200, None), confirmed.text
    return Guarded(user, totp, confirmed.data["recovery_codes"])


def test_says_whether_it_is_on(client: Client) -> None:
    """To its user alone."""
    without, guarded = client.join(proven=True), _guard(client)

    off, on = (client.get("/api/auth/mfa", token=user.access_token).data for user in (without, guarded.user))
    assert off == {"totp": False, "recovery_codes_left": None}
    assert on == {"totp": True, "recovery_codes_left": 10}
    assert client.get("/api/auth/mfa").outcome == (401, "UNAUTHENTICATED")


def _challenge(client: Client, user: User) -> str:
    answer = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
    assert answer.outcome == (200, None), answer.text
    assert answer.data["mfa_required"] is True
    assert answer.data["methods"] == ["totp", "recovery_code"]
    assert {"mfa_required", "mfa_token", "methods"} == set(answer.data)
    token: str = answer.data["mfa_token"]
    return token


def _verify(client: Client, token: str, code: str) -> Answer:
    return client.post("/api/auth/mfa/verify", json={"mfa_token": token, "code": code})


def _refusals(system: System, user: User | None) -> list[str]:
    """Returns the audit entries of a user's refused second steps, or of those without a user."""
    rows = system.rows(
        "SELECT details ->> 'reason' FROM auth.audit_events"
        " WHERE action = 'auth.mfa_refused' AND subject_id IS NOT DISTINCT FROM $1 ORDER BY sequence",
        user and user.id,
    )
    return [reason for (reason,) in rows]


def _strangers(system: System) -> float:
    """Returns how many second steps without a user were refused."""
    text = httpx.get(f"http://{system.http('auth-service')}/metrics").text
    refused = 'auth_refusals_not_audited_total{action="auth.mfa_refused",why="no_user"}'
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(refused)), 0.0)


@pytest.fixture(name="guarded")
def _guarded(client: Client) -> Guarded:
    """A new user with a second factor."""
    return _guard(client)


def test_sign_in(client: Client, guarded: Guarded) -> None:
    """Password and code open a session; each works once."""
    token, code = _challenge(client, guarded.user), guarded.code()
    answer = _verify(client, token, code)

    assert answer.outcome == (200, None), answer.text
    assert answer.data["token_type"] == "bearer"
    assert client.who(answer.data["access_token"]).status == 200
    assert _verify(client, token, code).outcome == (401, "TOKEN_INVALID")
    replayed = _verify(client, _challenge(client, guarded.user), code)
    assert replayed.outcome == (401, "INVALID_CREDENTIALS")


def test_codes_are_shown_once_and_count_once(client: Client, guarded: Guarded) -> None:
    """There are ten different recovery codes, each for one sign-in, typed in any form."""
    first = guarded.recovery_codes[0]

    assert len(set(guarded.recovery_codes)) == 10
    assert _verify(client, _challenge(client, guarded.user), first.upper()).status == 200
    again = _verify(client, _challenge(client, guarded.user), first)
    assert again.outcome == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("drift", [0, 1])
def test_drift_of_a_step(client: Client, guarded: Guarded, drift: int) -> None:
    """Codes of the current and the next step are accepted; one of the step before turned it on."""
    assert _verify(client, _challenge(client, guarded.user), guarded.code(drift)).status == 200


def test_drift_of_more_than_a_step(client: Client, guarded: Guarded) -> None:
    """The code of a clock that is minutes off is refused."""
    for drift in (-3, 3):
        answer = _verify(client, _challenge(client, guarded.user), guarded.code(drift))
        assert answer.outcome == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("code", ["1", "1234567", "abcdef", "०१२३४५", "0" * 64])
def test_malformed_codes(client: Client, guarded: Guarded, code: str) -> None:
    """A code of the wrong length or script is a wrong code."""
    answer = _verify(client, _challenge(client, guarded.user), code)

    assert answer.outcome == (401, "INVALID_CREDENTIALS")


def test_guessing(client: Client, guarded: Guarded, system: System) -> None:
    """Five wrong codes block the second factor of the account for a while, not its password."""
    token = _challenge(client, guarded.user)
    outcomes = [_verify(client, token, "000000").outcome for _ in range(5)]
    refused = _verify(client, token, guarded.code())

    assert outcomes == [(401, "INVALID_CREDENTIALS")] * 5
    assert refused.outcome == (429, "TOO_MANY_ATTEMPTS")
    _challenge(client, guarded.user)
    ((noted,),) = system.rows(
        "SELECT count(*) FROM auth.audit_events WHERE action = 'auth.mfa_refused' AND subject_id = $1",
        guarded.user.id,
    )
    assert noted == 6


def test_one_recovery_code_in_fifty_hands(client: Client, guarded: Guarded) -> None:
    """Of fifty simultaneous calls with one recovery code, one succeeds."""
    tokens = [_challenge(client, guarded.user) for _ in range(5)]
    code = guarded.recovery_codes[0]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda number: _verify(client, tokens[number % 5], code), range(50)))

    assert [answer.status for answer in answers].count(200) == 1
    assert {answer.status for answer in answers} <= {200, 401, 429}


def test_challenge_ends_with_the_password(client: Client, guarded: Guarded) -> None:
    """A sign-in that began with the former password cannot be finished."""
    token = _challenge(client, guarded.user)
    changed = client.put(
        "/api/users/me/password",
        token=guarded.user.access_token,
        json={"old_password": PASSWORD, "new_password": "copper-lantern-orbit-fern"},
    )

    assert changed.status == 204
    assert _verify(client, token, guarded.code()).outcome == (401, "TOKEN_INVALID")


def test_challenge_expires(client: Client, guarded: Guarded, system: System) -> None:
    """A challenge expires after five minutes, with its own error."""
    token = _challenge(client, guarded.user)
    system.rows(
        "UPDATE auth.mfa_challenges SET expires_at = expires_at - interval '5 minutes' WHERE user_id = $1",
        guarded.user.id,
    )

    assert _verify(client, token, guarded.code()).outcome == (401, "TOKEN_EXPIRED")
    assert _refusals(system, guarded.user) == ["TOKEN_EXPIRED"]


def test_a_challenge_has_one_purpose(client: Client, guarded: Guarded, system: System) -> None:
    """It is neither a bearer token nor a refresh token, nor is one of those a challenge.

    A challenge of no user is counted and not audited: otherwise anyone could fill the log.
    """
    token = _challenge(client, guarded.user)
    before, entries = _strangers(system), _refusals(system, None)

    assert client.who(token).outcome == (401, "TOKEN_INVALID")
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": token})
    assert refreshed.outcome == (401, "TOKEN_INVALID")
    for other in (guarded.user.refresh_token, "A" * 43, "🗝"):
        assert _verify(client, other, guarded.code()).outcome == (401, "TOKEN_INVALID")
    assert (_strangers(system) - before, _refusals(system, None)) == (3, entries)
    assert _verify(client, token, guarded.code()).status == 200
    ((digest,),) = system.rows("SELECT count(*) FROM auth.mfa_challenges WHERE digest = $1", token.encode())
    assert digest == 0


def test_one_code_for_two_sign_ins(client: Client, guarded: Guarded) -> None:
    """Of simultaneous calls with one code and different challenges, one succeeds."""
    tokens = [_challenge(client, guarded.user) for _ in range(4)]
    code = guarded.code()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda token: _verify(client, token, code), tokens))

    assert [answer.status for answer in answers].count(200) == 1
    assert {answer.outcome for answer in answers} == {(200, None), (401, "INVALID_CREDENTIALS")}


def test_turning_off(client: Client, guarded: Guarded) -> None:
    """The password turns it off; a wrong one does not."""
    token = guarded.user.access_token
    wrong = client.delete("/api/auth/mfa/totp", token=token, json={"password": "wrong-guess-of-eve"})
    assert wrong.outcome == (422, "VALIDATION_ERROR")
    assert wrong.fields == {"password"}
    twice = client.post("/api/auth/mfa/totp", token=token)
    assert twice.outcome == (409, "CONFLICT")

    assert client.delete("/api/auth/mfa/totp", token=token, json={"password": PASSWORD}).status == 204
    client.sign_in(guarded.user)
    off = client.delete("/api/auth/mfa/totp", token=token, json={"password": PASSWORD})
    assert off.outcome == (404, "NOT_FOUND")


def test_a_reset_leaves_it_on(client: Client, guarded: Guarded, mailbox: Mailbox) -> None:
    """Access to the user's mail does not give a code."""
    user, new = guarded.user, "copper-lantern-violet-mast"
    client.post("/api/auth/password/forgot", json={"email": user.email})
    body = {"token": mailbox.reset_token(user.email), "new_password": new}
    assert client.post("/api/auth/password/reset", json=body).status == 204

    answer = client.post("/api/auth/login", json={"email": user.email, "password": new})

    assert answer.data["mfa_required"] is True
    assert "access_token" not in answer.data


def test_wrong_code_turns_nothing_on(client: Client, system: System) -> None:
    """A user who has not finished turning it on signs in with the password. It is audited."""
    user = client.join(proven=True)
    client.post("/api/auth/mfa/totp", token=user.access_token)
    answer = client.post("/api/auth/mfa/totp/confirm", token=user.access_token, json={"code": "12345"})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {"code"}
    client.sign_in(user)
    refused = system.rows(
        "SELECT outcome FROM auth.audit_events WHERE action = 'auth.mfa_enabled' AND actor_id = $1", user.id
    )
    assert refused == [("refused",)]


def test_erased_with_the_user(client: Client, guarded: Guarded, system: System) -> None:
    """No row of a second factor outlives its user."""
    _challenge(client, guarded.user)
    token = guarded.user.access_token
    assert client.delete("/api/users/me", token=token, json={"password": PASSWORD}).status == 204

    for table in ("authenticators", "recovery_codes", "mfa_challenges"):
        left = system.rows(f"SELECT 1 FROM auth.{table} WHERE user_id = $1", guarded.user.id)
        assert left == []
