"""Giving signed heads to the witness."""

from collections.abc import Sequence
from dataclasses import dataclass

from auth_service.domain.audit_export import ExportedKey
from auth_service.domain.audit_head import SignedHead
from auth_service.domain.ports import HeadJudge
from auth_service.domain.stores import Database
from auth_service.usecases.sign_audit_head import end_problem

HEADS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadList:
    """Heads with the keys that signed them.

    Attributes:
        heads: The heads, the lowest first.
        keys: The keys of these heads.
        problem: What is wrong at the end of the chain, in words; None when nothing is.
    """

    heads: Sequence[SignedHead]
    keys: Sequence[ExportedKey]
    problem: str | None


@dataclass(frozen=True, slots=True)
class ListAuditHeads:
    """Lists the good heads from a place on, up to the first that is not ours.

    A head that somebody put into our schema is not handed on: the witness would keep it for good.
    """

    database: Database
    judge: HeadJudge

    async def __call__(self, *, from_sequence: int) -> HeadList:
        """Returns heads at this place and beyond it."""
        async with self.database.statements() as stores:
            found = await stores.audit_heads.after(from_sequence - 1, HEADS_AT_ONCE)
            newest = await stores.audit_heads.newest()
            live, over = await stores.signing_keys.all(), await stores.signing_keys.retired()
        faults = await self.judge.judge(found) if found else ()
        bad = next((place for place, fault in enumerate(faults) if fault is not None), len(found))
        heads = found[:bad]
        kids = {head.kid for head in heads}
        known = {key.kid: ExportedKey(kid=key.kid, x=key.x, y=key.y) for keys in (live, over) for key in keys}
        return HeadList(
            heads=heads,
            keys=[key for kid, key in known.items() if kid in kids],
            problem=await end_problem(self.database, self.judge, newest),
        )
