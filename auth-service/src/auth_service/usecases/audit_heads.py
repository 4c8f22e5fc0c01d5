"""Signed heads of the audit chain: signing them, and listing them for the witness."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field
from datetime import timedelta

from chassis.clock import Clock
from chassis.dataclass import dataclass
from chassis.errors import ServiceError
from chassis.identity.caller import Caller

from auth_service.domain.audit import GENESIS, audited
from auth_service.domain.audit_export import ExportedKey
from auth_service.domain.audit_head import ChainWalk, HeadSigner, HeadVerifier, SignedHead
from auth_service.domain.audit_witness import AuditWitness
from auth_service.domain.errors import ChainBroken
from auth_service.domain.signing_key import RetiredKey, SigningKey
from auth_service.domain.unit_of_work import UnitsOfWork

HEADS_AT_ONCE = 500

BATCH = 500


@dataclass(slots=True)
class SignAuditHead:
    """Signs the newest entry, unless a head covers it.

    Signs only what follows from the last head, and keeps that head in memory: an attacker who rewrites the
    chain and removes the heads that contradict it is detected while an instance lives, and by the witness
    after that.
    """

    units: UnitsOfWork
    signer: HeadSigner
    verifier: HeadVerifier
    clock: Clock
    every: timedelta
    witness: AuditWitness | None = None
    _last: SignedHead | None = field(default=None, init=False)
    _witnessed: SignedHead | None = field(default=None, init=False)
    _noted: str | None = field(default=None, init=False)

    async def __call__(self) -> SignedHead | None:
        """Returns the new head; None if there is nothing to sign.

        Raises:
            ChainBroken: the chain does not follow from the last head, that head is gone, or the witness
                has a later or another one.
            Unavailable: there is no key yet, or Postgres is unreachable.
        """
        try:
            return await self._sign()
        except ChainBroken as broken:
            with suppress(ServiceError):
                await self._note(str(broken.details["problem"]))
            raise

    async def _sign(self) -> SignedHead | None:
        async with self.units.statements() as unit:
            newest = await unit.audit_heads.newest()
        await self._check(newest)
        # While nothing is added its answer is the same. Before a signature it is asked again.
        is_witnessed = newest is not None and newest == self._witnessed
        if not is_witnessed:
            await self._check_witness(newest)
        now = self.clock.now()
        if newest is not None and now - newest.at < self.every / 2:
            # Another instance has just signed.
            return None
        walk = ChainWalk(newest.sequence, newest.hash) if newest else ChainWalk(0, GENESIS)
        while True:
            async with self.units.statements() as unit:
                batch = await unit.audit.after(walk.sequence, BATCH)
            for chained in batch:
                walk.step(chained)
            if walk.problem is not None:
                raise ChainBroken(details={"problem": walk.problem})
            if len(batch) < BATCH:
                break
        if not walk.events:
            return None
        if is_witnessed:
            await self._check_witness(newest)
        head = self.signer.sign(walk.sequence, walk.hash, now)
        async with self.units.statements() as unit:
            added = await unit.audit_heads.add(head)
        return head if added else None

    async def _check(self, newest: SignedHead | None) -> None:
        """Compares the newest head with the entry at its place, and with the last head in memory."""
        last = self._last
        if last is not None and (newest is None or newest.sequence < last.sequence):
            raise ChainBroken(details={"problem": f"the head signed at entry {last.sequence} was removed"})
        problem = await end_problem(self.units, self.verifier, newest)
        if problem is not None:
            raise ChainBroken(details={"problem": problem})
        self._last = newest

    async def _check_witness(self, newest: SignedHead | None) -> None:
        """Compares the chain with the witness' newest head; signing goes on if it is unreachable."""
        if self.witness is None:
            return
        self._witnessed = None
        try:
            witnessed = await self.witness.newest()
        except ServiceError:
            return
        if witnessed is None:
            return
        if newest is not None and (witnessed.sequence, witnessed.hash) == (newest.sequence, newest.hash):
            # The chain has just been compared with this head.
            self._witnessed = newest
            return
        if newest is None or newest.sequence < witnessed.sequence:
            # Another instance may have signed a head meanwhile that is witnessed already.
            async with self.units.statements() as unit:
                newest = await unit.audit_heads.newest()
        async with self.units.statements() as unit:
            there = next(iter(await unit.audit.after(witnessed.sequence - 1, 1)), None)
        place = f"the head of entry {witnessed.sequence} was witnessed"
        if newest is None or newest.sequence < witnessed.sequence:
            raise ChainBroken(details={"problem": f"{place}, and it is gone: the chain was cut off"})
        if there is not None and there.sequence == witnessed.sequence and there.hash != witnessed.hash:
            raise ChainBroken(details={"problem": f"{place}, and another entry stands there"})

    async def _note(self, problem: str) -> None:
        """Audits the break, once per instance and problem."""
        if problem == self._noted:
            return
        by = Caller(service="auth-service")
        entry = audited(by, self.clock.now(), "auth.audit_chain_broken", "failed", problem=problem)
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)
        self._noted = problem


async def end_problem(units: UnitsOfWork, verifier: HeadVerifier, newest: SignedHead | None) -> str | None:
    """Returns what is wrong with the entry at the newest head; None if nothing is."""
    if newest is None:
        return None
    walk = ChainWalk(newest.sequence - 1)
    async with units.statements() as unit:
        there = await unit.audit.after(newest.sequence - 1, 1)
    if not there or there[0].sequence != newest.sequence:
        walk.end(newest)
    else:
        walk.sequence, walk.hash = newest.sequence, there[0].hash
        (fault,) = await verifier.verify([newest])
        walk.meet(newest, fault)
    return walk.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadList:
    """Heads with the keys that signed them.

    Attributes:
        heads: The heads, the lowest first.
        keys: The keys of these heads.
        problem: What is wrong at the end of the chain; None if nothing is.
    """

    heads: Sequence[SignedHead]
    keys: Sequence[ExportedKey]
    problem: str | None


@dataclass(slots=True)
class ListAuditHeads:
    """Lists the valid heads from a place on, up to the first invalid one.

    A forged head is not handed on: the witness would keep it for ever. The witness asks every few seconds:
    so only a key that was not seen before is read, which never changes, since its id is computed from it.
    """

    units: UnitsOfWork
    verifier: HeadVerifier
    _keys: dict[str, ExportedKey] = field(default_factory=dict, init=False)

    async def __call__(self, *, from_sequence: int) -> HeadList:
        """Returns the heads from this place on."""
        async with self.units.statements() as unit:
            found = await unit.audit_heads.after(from_sequence - 1, HEADS_AT_ONCE)
            is_whole = 0 < len(found) < HEADS_AT_ONCE
            newest = found[-1] if is_whole else await unit.audit_heads.newest()
        faults = await self.verifier.verify(found) if found else ()
        bad = next((place for place, fault in enumerate(faults) if fault is not None), len(found))
        heads = found[:bad]
        kids = {head.kid for head in heads}
        if not kids <= self._keys.keys():
            await self._read_keys()
        return HeadList(
            heads=heads,
            keys=[self._keys[kid] for kid in kids if kid in self._keys],
            problem=await end_problem(self.units, self.verifier, newest),
        )

    async def _read_keys(self) -> None:
        async with self.units.statements() as unit:
            live, over = await unit.signing_keys.all(), await unit.signing_keys.retired()
        known: list[SigningKey | RetiredKey] = [*live, *over]
        for key in known:
            self._keys[key.kid] = ExportedKey(kid=key.kid, x=key.x, y=key.y)
