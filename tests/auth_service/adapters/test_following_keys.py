"""What was made under one master key, read by processes that accept it and refused by those that do not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from auth_service.adapters.hmac_secrets import (
    HmacApiKeys,
    HmacDeviceDigests,
    HmacDeviceTokens,
    HmacMailTokens,
    HmacRefreshTokens,
    HmacThrottleKeys,
)
from auth_service.adapters.master_key import MasterKey
from auth_service.domain.mail import MailKind
from auth_service.domain.refresh import RefreshToken
from auth_service.domain.signing_key import RetiredKey
from auth_service.wiring.adapters import totp_secrets
from chassis.idempotency.record import IdempotencyRecord, Request
from chassis.idempotency.sealed_responses import SealedResponses
from chassis.identity.caller import Caller
from chassis.ids import uuid7
from chassis.sealing import Sealing
from cryptography.exceptions import InvalidTag

OLD, NEW = b"o" * 32, b"n" * 32
BEFORE, BOTH, AFTER = MasterKey(OLD), MasterKey(NEW, OLD), MasterKey(NEW)
USER, MAIL = uuid7(), uuid7()
ATTEMPT = IdempotencyRecord(attempt_id=uuid7(), fingerprint=b"")
DEVICE = "a browser in a network"


def _refresh_token(made: MasterKey, read: MasterKey) -> bool:
    token = HmacRefreshTokens(*made.every("t")).write(RefreshToken(session_id=USER, counter=1))
    return HmacRefreshTokens(*read.every("t")).read(token) is not None


def _api_key(made: MasterKey, read: MasterKey) -> bool:
    drawn = HmacApiKeys(*made.every("t")).draw()
    return HmacApiKeys(*read.every("t")).matches(drawn.text, drawn.digest)


def _mail_token(made: MasterKey, read: MasterKey) -> bool:
    what = (MailKind.PASSWORD_RESET, MAIL, USER, "ada@example.com")
    return HmacMailTokens(*read.every("t")).is_token(HmacMailTokens(*made.every("t"))(*what), *what)


def _known_device(made: MasterKey, read: MasterKey) -> bool:
    kept = HmacDeviceDigests(*made.every("t"))(USER, DEVICE)[0]
    return kept in HmacDeviceDigests(*read.every("t"))(USER, DEVICE)


def _device_token(made: MasterKey, read: MasterKey) -> bool:
    account = HmacThrottleKeys(*made.every("g"))("ada@example.com", "").account
    token = HmacDeviceTokens(*made.every("t")).issue(account, "a hash")
    key = HmacThrottleKeys(*read.every("g"))("ada@example.com", "")
    reading = HmacDeviceTokens(*read.every("t"))
    clients = [reading.client(token, each) for each in (key.account, *key.former_accounts)]
    return any(clients) and reading.is_current(token, "a hash")


def _recovery_code(made: MasterKey, read: MasterKey) -> bool:
    kept = totp_secrets(made).recovery_digests(USER, "a code")[0]
    return kept in totp_secrets(read).recovery_digests(USER, "a code")


def _kept_answer(made: MasterKey, read: MasterKey) -> bool:
    asked = (Caller(client_address="192.0.2.1"), "a key", Request(asked=b"what"))
    writing, reading = (SealedResponses(key.every("a"), key.every("n")) for key in (made, read))
    question = writing.keys(*asked)[0]
    sealed = writing.seal(question.name, b"answer")
    return question.name in [each.name for each in reading.keys(*asked)] and (
        reading.open(question.name, sealed) == b"answer"
    )


def _retired_key(made: MasterKey, read: MasterKey) -> bool:
    return read.attested(_retired(made))


@pytest.mark.parametrize(
    "good",
    [
        _refresh_token,
        _api_key,
        _mail_token,
        _known_device,
        _device_token,
        _recovery_code,
        _kept_answer,
        _retired_key,
    ],
)
def test_read_while_accepted(good: Callable[[MasterKey, MasterKey], bool]) -> None:
    """By the key itself, by one beside which it is accepted, whichever writes, and by no other."""
    accepting = MasterKey(OLD, NEW)
    assert good(BEFORE, BEFORE)
    assert good(BEFORE, BOTH)
    assert good(BOTH, AFTER)
    assert good(BOTH, accepting)
    assert not good(BEFORE, AFTER)


def test_an_attempts_secrets_are_drawn_by_the_key_of_its_question() -> None:
    """Else who asks again for a lost answer would be shown a key, or codes, that do not count."""
    again = IdempotencyRecord(attempt_id=ATTEMPT.attempt_id, fingerprint=b"", key_number=1)
    drawn, both = HmacApiKeys(OLD).draw(ATTEMPT), HmacApiKeys(NEW, OLD)
    assert both.draw(again).text == drawn.text != both.draw(ATTEMPT).text
    codes = totp_secrets(BEFORE).recovery_codes(ATTEMPT)
    assert totp_secrets(BOTH).recovery_codes(again) == codes != totp_secrets(BOTH).recovery_codes(ATTEMPT)


def test_sealed_again() -> None:
    """Once, and for the same purpose alone."""
    sealed = Sealing(OLD).seal(b"secret", b"ada")
    again = Sealing(NEW, OLD).sealed_again(sealed, b"ada")
    assert again is not None
    assert Sealing(NEW).open(again, b"ada") == b"secret"
    assert Sealing(NEW, OLD).sealed_again(again, b"ada") is None
    for sealing in (Sealing(NEW), Sealing(b"x" * 32)):
        with pytest.raises(InvalidTag):
            sealing.sealed_again(sealed, b"ada")
    with pytest.raises(InvalidTag):
        Sealing(NEW, OLD).sealed_again(sealed, b"bob")


def test_attested_again() -> None:
    """By the key that writes, and never for a key that was not ours."""
    ours = _retired(BEFORE)
    attestation = BOTH.attested_again(ours)
    assert attestation is not None
    followed = replace(ours, later_attestations=[attestation])
    assert AFTER.attested(followed)
    assert BOTH.attested_again(followed) is None
    assert BOTH.attested_again(_retired(MasterKey(b"e" * 32))) is None


def _retired(master_key: MasterKey) -> RetiredKey:
    now = datetime.now(UTC)
    key = master_key.generate(now)
    return RetiredKey(
        kid=key.kid,
        x=key.x,
        y=key.y,
        attestation=master_key.attest(key),
        published_at=now,
        active_from=now,
        removed_from=now,
    )
