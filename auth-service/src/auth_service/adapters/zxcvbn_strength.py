"""zxcvbn behind `PasswordStrength`: in the hashing pool, on a bounded length."""

from collections.abc import Sequence
from dataclasses import dataclass

from auth_service.adapters.hashing_pool import HashingPool
from auth_service.domain.password import Strength

_JUDGED_LENGTH_MAX = 64
"""zxcvbn's time grows faster than the length; what is strong by then stays strong."""

_EMPTY = Strength(score=0)


@dataclass(frozen=True, slots=True)
class ZxcvbnStrength:
    """Estimates guesses by dictionaries, patterns and the person's own words."""

    pool: HashingPool

    async def __call__(self, passwords: Sequence[str], terms: Sequence[str]) -> Sequence[Strength]:
        """Returns the strength of each, for a guesser who knows the terms.

        Raises:
            HashingOverloaded: too many passwords wait already.
        """
        return await self.pool.run(_judge, list(passwords), list(terms))


def _judge(passwords: list[str], terms: list[str]) -> list[Strength]:
    return [_strength(password[:_JUDGED_LENGTH_MAX], terms) for password in passwords]


def _strength(password: str, terms: list[str]) -> Strength:
    if not password:
        return _EMPTY
    # Its word lists are 12 MB, which a process does without until somebody sets a password.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    verdict = zxcvbn(password, user_inputs=terms)
    feedback = verdict["feedback"]
    advice = [feedback["warning"], *feedback["suggestions"]]
    return Strength(score=verdict["score"], advice=" ".join(part for part in advice if part))
