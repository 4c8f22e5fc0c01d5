"""The real judge of strength, in the test's own process: starting one takes a fifth of a second."""

from collections.abc import Sequence

from auth_service.adapters.zxcvbn_worker.bounded import Timer, judge
from auth_service.domain.password import Strength
from auth_service.domain.password_policy import PasswordPolicy


class ZxcvbnHere:
    """`PasswordStrength` without its process."""

    async def __call__(self, passwords: Sequence[str], terms: Sequence[str]) -> Sequence[Strength]:
        """Returns the strength of each, for a guesser who knows the terms."""
        return [Strength(score=score, advice=advice) for score, advice in judge(passwords, terms, Timer())]


POLICY = PasswordPolicy(ZxcvbnHere())
"""The rules on new passwords, without breached ones."""
