"""The first signing key, once."""

from dataclasses import dataclass

from chassis.clock import Clock

from auth_service.domain.ports import KeySealer
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class EnsureSigningKey:
    """Makes the first key when there is none. Instances may start at once; one makes it."""

    database: Database
    sealer: KeySealer
    clock: Clock

    async def __call__(self) -> None:
        """Returns when there is a key that can be opened.

        Raises:
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.database.transaction() as stores:
            await stores.signing_keys.lock()
            keys = await stores.signing_keys.all()
            if not keys:
                await stores.signing_keys.add(self.sealer.generate(self.clock.now()))
        for key in keys:
            self.sealer.check(key)
