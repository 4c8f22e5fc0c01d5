"""The end of signing keys: what verified its last token loses its private half."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.ports import KeySealer
from auth_service.domain.signing_key import RetiredKey, retired
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class RetireSigningKeys:
    """Destroys the private halves of keys that are over, and keeps the public ones."""

    database: Database
    sealer: KeySealer
    clock: Clock

    async def __call__(self) -> int:
        """Returns how many keys were retired.

        Raises:
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.database.statements() as stores:
            if not retired(await stores.signing_keys.all(), self.clock.now()):
                return 0
        async with self.database.transaction() as stores:
            await stores.signing_keys.lock()
            at = self.clock.now()
            over = retired(await stores.signing_keys.all(), at)
            for key in over:
                await stores.signing_keys.retire(
                    RetiredKey(
                        kid=key.kid,
                        x=key.x,
                        y=key.y,
                        attestation=self.sealer.attest(key),
                        published_at=key.published_at,
                        active_from=key.active_from,
                        removed_from=key.removed_from or at,
                    )
                )
            for key in over:
                entry = audited(Caller(service="auth-service"), at, "auth.key_retired", kid=key.kid)
                await stores.audit.append(entry)
            return len(over)
