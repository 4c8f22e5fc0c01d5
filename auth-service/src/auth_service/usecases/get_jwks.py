"""The keys that verify tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from auth_service.domain.ports import PublishedKeys
from auth_service.domain.signing_key import SigningKey


@dataclass(frozen=True, slots=True)
class GetJwks:
    """Returns the keys published, active and not yet retired."""

    keys: PublishedKeys

    async def __call__(self) -> Sequence[SigningKey]:
        """Returns them, the newest first."""
        return self.keys.published()
