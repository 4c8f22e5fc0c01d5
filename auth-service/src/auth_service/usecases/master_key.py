"""Resealing what was sealed under a former master key."""

from chassis.component import Component

from auth_service.domain.master_key import KeyFollower, ResealReport, ResealRepository


class Reseal(Component):
    """Reseals and attests what can be; the rest ends by itself, or changes with its next use."""

    repository: ResealRepository
    follower: KeyFollower

    async def __call__(self) -> ResealReport:
        """Returns what was resealed and what is left; the service may run meanwhile.

        Raises:
            MasterKeyMismatch: something was sealed under a key that is not accepted.
            Unavailable: Postgres is unreachable.
        """
        resealed = await self._signing_keys() + await self._attestations() + await self._authenticators()
        since, is_mixed = await self.repository.written_since(self.follower.key_id)
        remainders = await self.repository.remainders(since)
        return ResealReport(resealed=resealed, since=since, is_mixed=is_mixed, remainders=remainders)

    async def _signing_keys(self) -> int:
        done = 0
        for key in await self.repository.signing_keys():
            again = self.follower.signing_key(key)
            if again is not None:
                await self.repository.keep_signing_key(key, again)
                done += 1
        return done

    async def _attestations(self) -> int:
        done = 0
        for key in await self.repository.retired_keys():
            again = self.follower.attestation(key)
            if again is not None:
                await self.repository.keep_attestation(key.kid, again)
                done += 1
        return done

    async def _authenticators(self) -> int:
        done = 0
        async for user_id, sealed in self.repository.authenticators():
            again = self.follower.authenticator(user_id, sealed)
            if again is not None:
                await self.repository.keep_authenticator(user_id, sealed, again)
                done += 1
        return done
