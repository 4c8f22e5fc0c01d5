"""Passwords: the form in which they are hashed, and the rules a new one must keep."""

import unicodedata
from collections.abc import Sequence
from typing import Protocol

from chassis.dataclass import dataclass

from auth_service.domain.errors import WeakPassword

LENGTH_MIN = 8
LENGTH_MAX = 128
SCORE_MIN = 3
_TERM_LENGTH_MIN = 3

WRONG = "is not your password"
"""Says a field that has to hold the user's present password."""

TOO_SHORT = f"must have at least {LENGTH_MIN} characters"
TOO_LONG = f"must have at most {LENGTH_MAX} characters"
TOO_PERSONAL = "must not be built around your e-mail address or name"
BREACHED = "is known from a data breach, so attackers try it early; choose one that you use nowhere else"
TOO_WEAK = "is too easy to guess; add another word or two, uncommon ones are better"


@dataclass(frozen=True, slots=True)
class Strength:
    """How hard a password is to guess.

    Attributes:
        score: From 0, guessed at once, to 4, very unguessable.
        advice: What would make it stronger; empty without an advice.
    """

    score: int
    advice: str = ""


def prepared(password: str) -> str:
    """Returns the password as it is hashed: RFC 8265 OpaqueString.

    Non-ASCII spaces become U+0020 and the text NFC, so that one password typed on two
    keyboards is one password. Not NFKC: that would make different passwords equal.
    """
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


def personal_terms(email: str, full_name: str) -> tuple[str, ...]:
    """Returns the terms that a password must not be built around, the longest first."""
    local, _, domain = email.rpartition("@")
    words = [email, local, domain, full_name, *full_name.split(), *_split(local), domain.partition(".")[0]]
    squeezed = {_squeezed(word) for word in words}
    return tuple(sorted((term for term in squeezed if len(term) >= _TERM_LENGTH_MIN), key=len, reverse=True))


def length_fault(password: str) -> str | None:
    """Returns what is wrong with the password's length; None if nothing is."""
    if len(password) < LENGTH_MIN:
        return TOO_SHORT
    return TOO_LONG if len(password) > LENGTH_MAX else None


def is_personal(password: str, terms: tuple[str, ...]) -> bool:
    """Whether the password is, or is part of, one of the terms."""
    squeezed = _squeezed(password)
    return len(squeezed) >= _TERM_LENGTH_MIN and any(squeezed in term for term in terms)


def without_personal(password: str, terms: tuple[str, ...]) -> str:
    """Returns the password without the terms: what is left has to be strong by itself."""
    rest = _squeezed(password)
    if not any(term in rest for term in terms):
        return password
    for term in terms:
        rest = rest.replace(term, "")
    return rest


def _squeezed(text: str) -> str:
    """Returns the letters and digits, without differences in case and width."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in folded if letter.isalnum())


def _split(local: str) -> list[str]:
    for mark in "._-+":
        local = local.replace(mark, " ")
    return local.split()


class PasswordHasher(Protocol):
    """Hashes passwords outside of the event loop.

    Every method raises `HashingOverloaded` at once when too many wait.
    """

    def admit(self) -> None:
        """Checks that there is room for another password, so that refusing costs little."""
        ...

    async def hash(self, password: str) -> str:
        """Returns a salted hash in PHC string format."""
        ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password; without a hash it takes the same time and is not."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with weaker parameters than the current ones."""
        ...


class PasswordStrength(Protocol):
    """Estimates how hard passwords are to guess, outside of the event loop."""

    async def __call__(self, passwords: Sequence[str], terms: Sequence[str]) -> Sequence[Strength]:
        """Returns the strength of each against an attacker who knows the terms."""
        ...


class BreachedPasswords(Protocol):
    """A set of passwords that are known from data breaches."""

    async def __call__(self, password: str) -> bool:
        """Whether the password is in the set; False, and counted, if the set is unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Rules on length, strength, personal terms and breaches.

    Attributes:
        strength: Estimates how hard a password is to guess.
        breached: Sets of breached passwords, looked up in this order, after the other rules.
    """

    strength: PasswordStrength
    breached: tuple[BreachedPasswords, ...] = ()

    async def check(self, field: str, password: str, *, email: str, full_name: str) -> None:
        """Checks a new password.

        Args:
            field: The request's field, for the error.
            password: The password as typed.
            email: The user's address.
            full_name: The user's name.

        Raises:
            WeakPassword: it breaks a rule.
            HashingOverloaded: too many passwords wait to be rated.
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
