"""Password strength by zxcvbn in the test's own process: starting a worker takes a fifth of a second."""

from collections.abc import Sequence

from auth_service.domain.password import PasswordPolicy, Strength
from zxcvbn import zxcvbn


class ZxcvbnHere:
    """`PasswordStrength` without its process and without its bound of time.

    The worker's timer belongs in a process of its own: here it would count the processor time of
    hashing threads and take the signal by which pytest ends a test that hangs.
    """

    async def __call__(self, passwords: Sequence[str], terms: Sequence[str]) -> Sequence[Strength]:
        """Returns the strength of each, for a guesser who knows the terms."""
        return [_strength(password, terms) for password in passwords]


def _strength(password: str, terms: Sequence[str]) -> Strength:
    if not password:
        return Strength(score=0)
    found = zxcvbn(password, user_inputs=list(terms), max_length=1024)
    feedback = found["feedback"]
    advice = [feedback["warning"], *feedback["suggestions"]]
    return Strength(score=found["score"], advice=" ".join(part for part in advice if part))


POLICY = PasswordPolicy(ZxcvbnHere())
"""The rules on new passwords, without breached ones."""
