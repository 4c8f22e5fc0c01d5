"""What a new password must be like."""

from dataclasses import dataclass

from auth_service.domain.errors import WeakPassword
from auth_service.domain.password import (
    SCORE_MIN,
    TOO_PERSONAL,
    TOO_WEAK,
    is_personal,
    length_fault,
    personal_terms,
    prepared,
    without_personal,
)
from auth_service.domain.ports import PasswordStrength


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Length, strength, and nothing built around the person's e-mail address or name."""

    strength: PasswordStrength

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
