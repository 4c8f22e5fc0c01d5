"""Passkeys in memory, with ceremonies for all to read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from auth_service.domain.errors import PasskeyRegistered
from auth_service.domain.passkey import Assertion, Challenge, NewPasskey, Passkey, Signed, has_gone_back
from chassis.errors import Invalid

from tests.fakes.auth_service.state import FakeClock, State


class FakeRelyingParty:
    """Takes an answer that names challenge, credential and counter in clear; `by` is what signed it."""

    def challenge(self) -> bytes:
        """Returns a challenge."""
        return str(uuid4()).encode()

    def registration_options(
        self, user_id: UUID, account: str, challenge: bytes, known: Sequence[Passkey]
    ) -> Mapping[str, Any]:
        """Returns the options."""
        return {"challenge": challenge.decode(), "account": account, "known": len(known)}

    def sign_in_options(self, challenge: bytes) -> Mapping[str, Any]:
        """Returns the options."""
        return {"challenge": challenge.decode()}

    def challenge_in(self, attestation: Mapping[str, Any]) -> bytes:
        """Returns the challenge that an attestation says it answers."""
        return _member(attestation, "challenge")

    def attested(self, attestation: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        """Returns the passkey that an attestation tells of."""
        if attestation.get("by") != attestation["id"]:
            raise Invalid.on("credential", "is not signed")
        return NewPasskey(
            credential_id=_member(attestation, "id"),
            public_key=b"key",
            sign_count=attestation.get("count", 0),
        )

    def assertion(self, assertion: Mapping[str, Any]) -> Assertion:
        """Returns what an assertion says."""
        return Assertion(
            credential_id=_member(assertion, "id"),
            user_handle=assertion["user"].bytes,
            challenge=_member(assertion, "challenge"),
        )

    def signed(
        self, assertion: Mapping[str, Any], challenge: bytes, passkey: Passkey | None
    ) -> Signed | None:
        """Returns what the passkey signed."""
        if passkey is None or assertion.get("by") != passkey.credential_id.decode():
            return None
        return Signed(sign_count=assertion.get("count", 0), is_backed_up=False)


class FakePasskeys:
    """`PasskeyRepository` in dictionaries."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._clock = clock

    async def open_challenge(self, challenge: Challenge, lifetime: timedelta) -> None:
        """Keeps a challenge."""
        self._state.passkey_challenges[challenge] = self._clock.now() + lifetime

    async def spend_challenge(self, challenge: Challenge) -> bool:
        """Uses a challenge up."""
        expires_at = self._state.passkey_challenges.get(challenge)
        if expires_at is None or expires_at <= self._clock.now():
            return False
        del self._state.passkey_challenges[challenge]
        return True

    async def of_user(self, user_id: UUID) -> Sequence[Passkey]:
        """Returns a user's passkeys."""
        return [passkey for passkey in self._state.passkeys.values() if passkey.user_id == user_id]

    async def by_credential_id(self, credential_id: bytes) -> Passkey | None:
        """Returns the passkey that an authenticator calls so."""
        found = [each for each in self._state.passkeys.values() if each.credential_id == credential_id]
        return next(iter(found), None)

    async def add(self, passkey_id: UUID, user_id: UUID, name: str, made: NewPasskey) -> Passkey:
        """Keeps a passkey."""
        if await self.by_credential_id(made.credential_id):
            raise PasskeyRegistered
        self._state.passkeys[passkey_id] = Passkey(
            id=passkey_id,
            user_id=user_id,
            name=name,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            transports=made.transports,
            is_backed_up=made.is_backed_up,
            created_at=self._clock.now(),
        )
        return self._state.passkeys[passkey_id]

    async def use(self, passkey_id: UUID, signed: Signed) -> bool:
        """Notes a sign-in."""
        known = self._state.passkeys.get(passkey_id)
        if known is None or has_gone_back(known.sign_count, signed.sign_count):
            return False
        self._state.passkeys[passkey_id] = replace(
            known,
            sign_count=signed.sign_count,
            is_backed_up=signed.is_backed_up,
            last_used_at=self._clock.now(),
        )
        return True

    async def remove(self, passkey_id: UUID, user_id: UUID) -> bool:
        """Forgets a user's passkey."""
        known = self._state.passkeys.get(passkey_id)
        if known is None or known.user_id != user_id:
            return False
        del self._state.passkeys[passkey_id]
        return True

    async def remove_all(self, user_id: UUID) -> None:
        """Forgets every passkey of a user."""
        for passkey in await self.of_user(user_id):
            del self._state.passkeys[passkey.id]

    async def close_challenges(self, user_id: UUID) -> None:
        """Ends the registrations of passkeys that a user has begun."""
        for challenge in [each for each in self._state.passkey_challenges if each.user_id == user_id]:
            del self._state.passkey_challenges[challenge]


def _member(answer: Mapping[str, Any], name: str) -> bytes:
    value = answer.get(name)
    if not isinstance(value, str):
        raise Invalid.on("credential", "is malformed")
    return value.encode()
