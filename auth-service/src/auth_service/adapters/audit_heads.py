"""Signs heads of the audit chain, and verifies signatures by the keys of this system."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime

from chassis.component import Component
from chassis.dataclass import dataclass
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.master_key import MasterKey, public_key, thumbprint
from auth_service.domain.audit_head import HeadFault, SignedHead, statement
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.signing_key import RetiredKey, SigningKey
from auth_service.domain.unit_of_work import UnitsOfWork

_ALGORITHM = ec.ECDSA(hashes.SHA256())

PublicKeys = Mapping[str, ec.EllipticCurvePublicKey]


class EcdsaHeadSigner(Component):
    """Signs with the key that is active now."""

    ring: KeyRing

    def sign(self, sequence: int, chain_hash: bytes, at: datetime) -> SignedHead:
        """Returns the head of the chain, signed.

        Raises:
            Unavailable: there is no key yet.
        """
        kid, private = self.ring.signing()
        head = SignedHead(sequence=sequence, hash=chain_hash, at=at, kid=kid)
        return replace(head, signature=private.sign(statement(head), _ALGORITHM))


@dataclass(slots=True)
class EcdsaHeadVerifier:
    """Verifies signatures by every key in Postgres, including retired ones.

    An attacker who can write to Postgres can put a key there. The master key distinguishes such a key
    from those of this system; without the master key every key is accepted.
    """

    units: UnitsOfWork
    master_key: MasterKey | None
    _ours: dict[str, ec.EllipticCurvePublicKey] = field(default_factory=dict)
    _valid: SignedHead | None = None
    """The last one that came alone: several jobs look at the newest head every few seconds."""

    async def verify(self, heads: Sequence[SignedHead]) -> Sequence[HeadFault | None]:
        """Returns what is wrong with each head by itself."""
        if len(heads) == 1 and heads[0] == self._valid:
            return [None]
        if any(head.kid not in self._ours for head in heads):
            await self._load()
        faults = await asyncio.to_thread(lambda: [verify_head(self._ours, head) for head in heads])
        if len(faults) == 1 and faults[0] is None:
            self._valid = heads[0]
        return faults

    async def _load(self) -> None:
        async with self.units.statements() as unit:
            live, over = await unit.signing_keys.all(), await unit.signing_keys.retired()
        known: list[SigningKey | RetiredKey] = [*live, *over]
        self._ours.update({key.kid: public_key(key) for key in known if self._is_ours(key)})

    def _is_ours(self, key: SigningKey | RetiredKey) -> bool:
        if key.kid != thumbprint(key.x, key.y):
            return False
        if self.master_key is None:
            return True
        if isinstance(key, RetiredKey):
            return self.master_key.attested(key)
        try:
            self.master_key.attest(key)
        except MasterKeyMismatch:
            return False
        return True


def verify_head(keys: PublicKeys, head: SignedHead) -> HeadFault | None:
    """Returns what is wrong with a head by itself, according to these keys."""
    key = keys.get(head.kid)
    if key is None:
        return HeadFault.UNKNOWN_KEY
    try:
        key.verify(head.signature, statement(head), _ALGORITHM)
    except InvalidSignature:
        return HeadFault.WRONG_SIGNATURE
    return None
