"""Response times do not reveal whether an address exists: neither the answer's nor the next one's.

`timing.py` describes the statistic. Before the answers were made alike it found each difference
that there was: sending mail in the open, so to speak, showed in the next answer.
"""

import random
from collections.abc import Callable
from functools import partial

import pytest

from bench.wrong_passwords import a_bcrypt_hash, a_pbkdf2_hash, an_scrypt_hash
from tests.system.client import PASSWORD, Answer, Client, new_email
from tests.system.mailbox import Mailbox
from tests.system.running_system import System
from tests.system.timing import Samples, differ, sampled

PAIRS = 150
LOGIN_PAIRS = 48
IMPORTED = (partial(a_bcrypt_hash, 10), partial(an_scrypt_hash, 2**14), partial(a_pbkdf2_hash, 150_000))
"""Of a quarter of the usual costs: every wrong password takes as long as the slowest hash seen."""

GUESSES_EACH = 4
"""Fewer than the login throttle blocks or delays."""


def _is_revealed(measure: Callable[[], Samples]) -> bool:
    """Says whether times differ, twice in a row: chance rarely repeats itself."""
    for _ in range(2):
        samples = measure()
        if not differ(samples.own) and not differ(samples.after):
            return False
    return True


def _expect(status: int, answer: Answer) -> None:
    assert answer.status == status, answer.text


def _copies(client: Client, system: System, count: int, password_hash: str | None = None) -> list[str]:
    """Returns addresses of users with that password hash, or with the same as a user who registered."""
    user, emails = client.register(), [new_email() for _ in range(count)]
    system.change(
        "INSERT INTO auth.credentials (user_id, email, email_canonical, password_hash, role, is_pending)"
        " SELECT gen_random_uuid(), address, address, coalesce($3, known.password_hash), known.role, false"
        " FROM auth.credentials AS known, unnest($2::text[]) AS address WHERE known.user_id = $1",
        user.id,
        emails,
        password_hash,
    )
    return emails


@pytest.mark.nightly
@pytest.mark.parametrize("hashed", [None, *IMPORTED])
def test_login(client: Client, system: System, hashed: Callable[[], str] | None) -> None:
    """A wrong password of a known address, registered or imported, and of an unknown one."""
    password_hash = hashed() if hashed else None

    def measure() -> Samples:
        count = LOGIN_PAIRS // GUESSES_EACH
        if password_hash:
            # The first one shows how long such a hash takes; until then nothing can wait as long.
            (first,) = _copies(client, system, 1, password_hash)
            _expect(401, client.post("/api/auth/login", json={"email": first, "password": f"not {PASSWORD}"}))
        emails = {
            True: iter(_copies(client, system, count, password_hash) * GUESSES_EACH),
            False: iter([new_email() for _ in range(count)] * GUESSES_EACH),
        }

        def guess(known: bool) -> None:
            body = {"email": next(emails[known]), "password": f"not {PASSWORD}"}
            _expect(401, client.post("/api/auth/login", json=body))

        return sampled(guess, LOGIN_PAIRS)

    assert not _is_revealed(measure)


@pytest.mark.nightly
def test_forgot(client: Client) -> None:
    """A known and an unknown address."""
    emails = {True: client.register().email, False: new_email()}

    def ask(known: bool) -> None:
        _expect(202, client.post("/api/auth/password/forgot", json={"email": emails[known]}))

    assert not _is_revealed(lambda: sampled(ask, PAIRS))


@pytest.mark.nightly
def test_resend(client: Client, mailbox: Mailbox) -> None:
    """A signed-in user asks for the own address: verified or not makes no difference either."""
    verified, unverified = client.join(), client.join()
    client.post("/api/auth/email/verify", json={"token": mailbox.verification_token(verified.email)})
    tokens = {True: verified.access_token, False: unverified.access_token}

    def measure() -> Samples:
        samples = sampled(
            lambda which: _expect(202, client.post("/api/auth/email/resend", token=tokens[which])), PAIRS // 3
        )
        samples.after = {True: [0.0], False: [0.0]}  # A mail that is sent takes time; it is one's own.
        return samples

    assert not _is_revealed(measure)


@pytest.mark.parametrize("noise_ms", [0.5, 2.0, 5.0])
def test_two_milliseconds_would_be_found(noise_ms: float) -> None:
    """The statistic finds a difference of 2 ms behind more noise than that, and finds none where none is."""
    chance = random.Random(20261123)

    def took(extra_ms: float) -> float:
        return 20.0 + extra_ms + chance.gauss(0, 0.2) + chance.expovariate(1 / noise_ms)

    alike = {kind: [took(0.0) for _ in range(LOGIN_PAIRS)] for kind in (True, False)}
    planted = {kind: [took(2.0 * kind) for _ in range(LOGIN_PAIRS)] for kind in (True, False)}

    assert differ(planted)
    assert not differ(alike)
