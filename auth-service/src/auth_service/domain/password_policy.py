"""What a new password must be like."""

from dataclasses import dataclass

from auth_service.domain.errors import WeakPassword
from auth_service.domain.password import (
    BREACHED,
    SCORE_MIN,
    TOO_PERSONAL,
    TOO_WEAK,
    is_personal,
    length_fault,
    personal_terms,
    prepared,
    without_personal,
)
from auth_service.domain.ports import BreachedPasswords, PasswordStrength


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Length, strength, nothing built around the user's e-mail address or name, and in no known breach.

    Attributes:
        strength: Estimates how hard a password is to guess.
        breached: Sets of breached passwords, asked in this order about what is good otherwise.
    """

    strength: PasswordStrength
    breached: tuple[BreachedPasswords, ...] = ()

    async def check(self, field: str, password: str, *, email: str, full_name: str) -> None:
        """Returns when the password will do.

        Args:
            field: Where the request holds the password, to be named in the error.
            password: The password as typed.
            email: The person's address.
            full_name: The person's name.

        Raises:
            WeakPassword: it will not, and why.
            HashingOverloaded: too many passwords wait to be judged.
        """
        password = prepared(password)
        fault = length_fault(password)
        if fault is not None:
            raise WeakPassword.because(field, fault)
        terms = personal_terms(email, full_name)
        if is_personal(password, terms):
            raise WeakPassword.because(field, TOO_PERSONAL)
        whole, rest = await self.strength([password, without_personal(password, terms)], terms)
        if whole.score < SCORE_MIN:
            raise WeakPassword.because(field, whole.advice or TOO_WEAK)
        if rest.score < SCORE_MIN:
            raise WeakPassword.because(field, TOO_PERSONAL)
        for is_breached in self.breached:
            if await is_breached(password):
                raise WeakPassword.because(field, BREACHED)
