"""Witnessing, with real signatures and a real Postgres: every way to contradict stored heads."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import asyncpg
import pytest
from chassis.clock import SystemClock
from chassis.errors import Unavailable
from chassis.postgres.pool import Pool
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from health_aggregator.adapters.audit_heads import EcdsaHeadVerifier
from health_aggregator.adapters.postgres.audit_witness import PostgresWitnessStore
from health_aggregator.domain.audit_witness import ChainContradicted, HeadKey, SignedHead, statement
from health_aggregator.transport.audit_witnessing import AuditWitnessing
from health_aggregator.usecases.audit_witness import WitnessAudit

NOON = datetime(2026, 11, 23, 12, 0, 30, 123456, tzinfo=UTC)


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32)).decode().rstrip("=")


class Signer:
    """A signing key of auth-service."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        numbers = self._private.public_key().public_numbers()
        x, y = _base64url(numbers.x), _base64url(numbers.y)
        canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
        kid = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")
        self.key = HeadKey(kid=kid, x=x, y=y)

    def sign(self, sequence: int, word: str = "") -> SignedHead:
        """Returns the signed head of an entry; another word makes it another entry."""
        digest = hashlib.sha256(f"{sequence}{word}".encode()).digest()
        head = SignedHead(sequence=sequence, hash=digest, at=NOON, key=self.key, signature=b"")
        return replace(head, signature=self._private.sign(statement(head), ec.ECDSA(hashes.SHA256())))


@dataclass
class Chain:
    """The heads that auth-service has, as a source."""

    available: list[SignedHead] = field(default_factory=list)
    down: bool = False

    async def heads(self, from_sequence: int) -> Sequence[SignedHead]:
        """Returns heads from this sequence number on."""
        if self.down:
            raise Unavailable
        return [head for head in self.available if head.sequence >= from_sequence]


@pytest.fixture(name="store")
async def _store(health_pool: Pool) -> PostgresWitnessStore:
    return PostgresWitnessStore(health_pool)


@pytest.fixture(name="chain")
def _chain() -> Chain:
    return Chain()


@pytest.fixture(name="witness")
def _witness(chain: Chain, store: PostgresWitnessStore) -> WitnessAudit:
    return WitnessAudit(chain, store, EcdsaHeadVerifier(), SystemClock())


async def test_stores_new_heads(chain: Chain, witness: WitnessAudit, store: PostgresWitnessStore) -> None:
    """All heads at first, then the new ones; each once."""
    first, second = Signer(), Signer()
    assert await witness() is None
    chain.available = [first.sign(3), first.sign(7)]
    newest = await witness()
    assert newest is not None
    assert (newest.sequence, newest.hash, newest.at) == (7, chain.available[1].hash, NOON)

    chain.available.append(second.sign(9))
    await witness()
    await witness()

    assert [head.sequence for head in await store.after(0, 100)] == [3, 7, 9]
    assert [head.sequence for head in await store.after(3, 1)] == [7]


@pytest.mark.parametrize(
    ("left", "problem"),
    [
        ([], "the audit was cut off: entry 7 was signed and witnessed"),
        ([3], "the audit was cut off: entry 7 was signed and witnessed"),
        ([3, 9], "the head signed and witnessed at audit entry 7 was removed"),
    ],
)
async def test_missing(chain: Chain, witness: WitnessAudit, left: list[int], problem: str) -> None:
    """Heads removed at the end or in between are detected, repeatedly."""
    signer = Signer()
    chain.available = [signer.sign(3), signer.sign(7)]
    await witness()
    chain.available = [signer.sign(sequence) for sequence in left]

    for _ in range(2):
        with pytest.raises(ChainContradicted, match=problem):
            await witness()


async def test_rewritten(chain: Chain, witness: WitnessAudit, store: PostgresWitnessStore) -> None:
    """Another hash at a stored head, validly signed: no later head is stored."""
    signer = Signer()
    chain.available = [signer.sign(3), signer.sign(7)]
    await witness()
    chain.available = [signer.sign(3, "other"), signer.sign(7, "other"), signer.sign(9)]

    with pytest.raises(ChainContradicted, match="rewritten: entry 7"):
        await witness()
    assert [head.sequence for head in await store.after(0, 100)] == [3, 7]


async def test_a_fork(chain: Chain, witness: WitnessAudit, store: PostgresWitnessStore) -> None:
    """Two aggregators saw different entries with one sequence number."""
    signer = Signer()
    chain.available = [signer.sign(3)]
    await store.add(signer.sign(5, "other"), NOON)
    with pytest.raises(ChainContradicted, match="cut off"):
        await witness()

    assert await store.add(signer.sign(5), NOON) == signer.sign(5, "other").hash


@pytest.mark.parametrize("change", ["signature", "kid", "hash", "at", "sequence", "no key"])
async def test_forged(chain: Chain, witness: WitnessAudit, store: PostgresWitnessStore, change: str) -> None:
    """A head that its key did not sign is never stored."""
    head = Signer().sign(3)
    chain.available = [
        {
            "signature": replace(head, signature=b"\x30\x00"),
            "kid": replace(head, key=replace(head.key, kid="mine")),
            "hash": replace(head, hash=bytes(32)),
            "at": replace(head, at=datetime(2027, 1, 1, tzinfo=UTC)),
            "sequence": replace(head, sequence=4),
            "no key": replace(head, key=HeadKey(kid=head.key.kid, x="", y="")),
        }[change]
    ]

    with pytest.raises(ChainContradicted, match="has a signature that is not its key's"):
        await witness()
    assert await store.newest() is None


async def test_a_problem_is_shown_until_the_chain_agrees(chain: Chain, witness: WitnessAudit) -> None:
    """Also while auth-service cannot be reached."""
    shown: list[str | None] = []
    witnessing = AuditWitnessing(witness, shown.append)
    signer = Signer()
    chain.available = [signer.sign(3)]
    await witnessing()
    chain.available = []
    await witnessing()
    chain.down = True
    with pytest.raises(Unavailable):
        await witnessing()
    chain.down, chain.available = False, [signer.sign(3)]
    await witnessing()

    assert [bool(problem) for problem in shown] == [False, True, False]


@pytest.mark.parametrize(
    "statement_",
    [
        "UPDATE health.audit_heads SET hash = ''",
        "DELETE FROM health.audit_heads",
        "TRUNCATE health.audit_heads",
    ],
)
async def test_the_runtime_role_can_only_add_heads(health_pool: Pool, statement_: str) -> None:
    """It can neither change a head nor remove one."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await health_pool.execute(statement_)
