"""Judging an API key."""

from dataclasses import dataclass, replace

from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked
from chassis.identity.caller import Caller

from auth_service.domain.api_key import ApiKeySecrets, KeyHolder, found
from auth_service.domain.rights import RightsRule
from auth_service.domain.stores import Database
from auth_service.usecases.note_refused_key import NoteRefusedKey


@dataclass(frozen=True, slots=True)
class JudgeApiKey:
    """Says what a key lets its bearer do now, by what Postgres says, and notes that it was used."""

    database: Database
    secrets: ApiKeySecrets
    rights_of: RightsRule
    note_refused_key: NoteRefusedKey

    async def __call__(self, *, text: str, caller: Caller) -> KeyHolder:
        """Returns the key with what its person may do now.

        Args:
            text: The key.
            caller: Who sent it, as far as that is known, for the audit of a refusal.

        Raises:
            TokenInvalid: there is no such key.
            TokenExpired: it has lived its time.
            TokenRevoked: it was revoked, or its person is deactivated.
        """
        prefix = self.secrets.prefix(text)
        if prefix is None:
            raise TokenInvalid
        async with self.database.statements() as stores:
            holder = found(await stores.api_keys.find(prefix), text, self.secrets)
            try:
                holder.check()
            except (TokenExpired, TokenRevoked) as refused:
                refusal = refused
            else:
                digest = self.secrets.digest(text)
                if digest != holder.key.digest:  # It was made with another master key.
                    await stores.api_keys.keep_digest(holder.key.id, digest)
                if holder.use_is_news:
                    await stores.api_keys.note_use(holder.key.id)
                rights = self.rights_of(holder.role, guarded=holder.guarded)
                return replace(holder, role=rights.role, must_enrol=rights.must_enrol)
        await self.note_refused_key(key=holder.key, reason=refusal.reason, caller=caller)
        raise refusal
