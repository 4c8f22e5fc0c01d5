"""Taking the audit chain out of the database, as far as it is signed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from auth_service.domain.audit import Anchor
from auth_service.domain.audit_export import (
    ExportedKey,
    entry_line,
    first_line,
    head_line,
    key_line,
)
from auth_service.domain.audit_head import ChainWalk, SignedHead
from auth_service.domain.errors import ChainBroken
from auth_service.domain.ports import HeadJudge
from auth_service.domain.stores import Database

BATCH = 500


@dataclass(frozen=True, slots=True)
class ExportAudit:
    """Exports the chain after an entry, until the last head that was signed before a time."""

    database: Database
    judge: HeadJudge

    async def head(self, after: Anchor, until: datetime) -> SignedHead | None:
        """Returns the head at which the export ends; None when there is nothing to export."""
        async with self.database.statements() as stores:
            found = await stores.audit_heads.newest(signed_before=until)
        return None if found is None or found.sequence <= after.sequence else found

    async def lines(self, after: Anchor, head: SignedHead) -> AsyncIterator[str]:
        """Gives the lines of the file, and checks what it gives.

        Raises:
            ChainBroken: the chain does not follow from what was exported before, or is not what was signed.
        """
        walk = ChainWalk(after.sequence, after.hash)
        yield first_line(after)
        while walk.sequence < head.sequence:
            async with self.database.statements() as stores:
                batch = await stores.audit.after(walk.sequence, BATCH)
            for chained in batch:
                if walk.sequence < head.sequence:
                    walk.step(chained)
                    yield entry_line(chained)
            if not batch:
                walk.end(head)
            _require(walk)
        (fault,) = await self.judge.judge([head])
        walk.meet(head, fault)
        _require(walk)
        yield key_line(await self._key(head.kid))
        yield head_line(head)

    async def _key(self, kid: str) -> ExportedKey:
        async with self.database.statements() as stores:
            live, over = await stores.signing_keys.all(), await stores.signing_keys.retired()
        return next(
            ExportedKey(kid=key.kid, x=key.x, y=key.y)
            for keys in (live, over)
            for key in keys
            if key.kid == kid
        )


def _require(walk: ChainWalk) -> None:
    if walk.problem is not None:
        raise ChainBroken(details={"problem": walk.problem})
