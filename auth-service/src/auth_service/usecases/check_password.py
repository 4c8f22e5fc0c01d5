"""One step of several use cases: is it the password, and may this client ask at all?"""

from dataclasses import dataclass

from auth_service.domain.credential import Credential
from auth_service.domain.errors import TooManyAttempts
from auth_service.domain.guessing import GuessRecord, delay_seconds, whole_seconds
from auth_service.domain.ports import PasswordHasher, Patience


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Refuses clients that guessed too often, holds back answers about accounts under attack."""

    hasher: PasswordHasher
    patience: Patience

    async def __call__(self, record: GuessRecord, credential: Credential | None, password: str) -> bool:
        """Says whether it is the password; takes as long for a credential that is not there.

        Raises:
            TooManyAttempts: the client has to wait.
            Unavailable: too many passwords wait to be checked.
        """
        if record.blocked_for is not None:
            raise TooManyAttempts(retry_after_seconds=whole_seconds(record.blocked_for))
        await self.patience(delay_seconds(record.failures))
        return await self.hasher.verify(credential.password_hash if credential else None, password)
