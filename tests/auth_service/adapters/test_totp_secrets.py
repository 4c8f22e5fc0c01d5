"""Codes of real authenticator apps, recovery codes, and how they are kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from auth_service.adapters.totp_secrets import TotpSecrets
from auth_service.domain.second_factor import RECOVERY_CODES, Authenticator
from chassis.idempotency.record import IdempotencyRecord
from chassis.ids import uuid7
from cryptography.exceptions import InvalidTag

NOW = datetime(2026, 11, 23, 10, 0, 15, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30
SECRETS = TotpSecrets([b"s" * 32], [b"d" * 32])


def _enrolled() -> tuple[pyotp.TOTP, Authenticator]:
    user_id = uuid7()
    enrolment, sealed = SECRETS.seal_new(user_id, "ada@example.com")
    assert enrolment.secret.encode() not in sealed
    assert enrolment.secret in enrolment.uri
    return pyotp.TOTP(enrolment.secret), Authenticator(user_id=user_id, sealed_secret=sealed)


@pytest.mark.parametrize(("drift", "step"), [(-2, None), (-1, STEP - 1), (0, STEP), (1, STEP + 1), (2, None)])
def test_a_step_of_drift_each_way(drift: int, step: int | None) -> None:
    """And no more."""
    totp, authenticator = _enrolled()
    code = totp.at(NOW + timedelta(seconds=30 * drift))

    assert SECRETS.step_of(authenticator, code, NOW) == step
    assert SECRETS.step_of(authenticator, f"{code[:3]} {code[3:]}", NOW) == step


@pytest.mark.parametrize("drift", [-1, 0, 1])
def test_no_step_counts_again(drift: int) -> None:
    """Nor one before it."""
    totp, authenticator = _enrolled()
    used = replace(authenticator, last_step=STEP + drift)
    for each in range(-1, drift + 1):
        assert SECRETS.step_of(used, totp.at(NOW + timedelta(seconds=30 * each)), NOW) is None


@pytest.mark.parametrize("change", ["", "{}0", "0{}", "{}\n", "-{}", "a23456"])
def test_no_other_text_is_a_code(change: str) -> None:
    """A code has six ASCII digits."""
    totp, authenticator = _enrolled()
    arabic = totp.at(NOW).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))

    assert SECRETS.step_of(authenticator, change.format(totp.at(NOW)), NOW) is None
    assert SECRETS.step_of(authenticator, arabic, NOW) is None


def test_a_secret_is_sealed_for_its_user() -> None:
    """Moved to another's row, or under another key, it opens nothing."""
    totp, authenticator = _enrolled()
    for secrets, owner in (
        (SECRETS, uuid7()),
        (TotpSecrets([b"x" * 32], [b"d" * 32]), authenticator.user_id),
    ):
        with pytest.raises(InvalidTag):
            secrets.step_of(replace(authenticator, user_id=owner), totp.at(NOW), NOW)


def test_recovery_codes() -> None:
    """Ten, of 120 bits, kept as a keyed digest of user and code, however they are typed."""
    user_id, codes = uuid7(), SECRETS.recovery_codes()
    first = codes[0]
    kept = SECRETS.recovery_digests(user_id, first)[0]

    assert len(set(codes)) == RECOVERY_CODES
    assert all(len(code.replace("-", "")) == 24 for code in codes)
    assert SECRETS.recovery_digests(user_id, f" {first.upper().replace('-', ' ')}")[0] == kept
    assert first.encode() not in kept
    assert SECRETS.recovery_digests(uuid7(), first)[0] != kept
    assert TotpSecrets([b"s" * 32], [b"x" * 32]).recovery_digests(user_id, first)[0] != kept


def test_an_attempts_recovery_codes_are_the_same_each_time() -> None:
    """So that lost ones can be shown again; without the key they cannot be made from its id."""
    idempotency = _attempt()
    codes = SECRETS.recovery_codes(idempotency)

    assert len(set(codes)) == RECOVERY_CODES
    assert codes == SECRETS.recovery_codes(idempotency)
    for other in (SECRETS.recovery_codes(_attempt()), SECRETS.recovery_codes(), _other_key(idempotency)):
        assert not set(codes) & set(other)


def _other_key(idempotency: IdempotencyRecord) -> Sequence[str]:
    return TotpSecrets([b"s" * 32], [b"x" * 32]).recovery_codes(idempotency)


def _attempt() -> IdempotencyRecord:
    return IdempotencyRecord(attempt_id=uuid7(), fingerprint=b"")
