"""The audit chain: signing its heads beside the server, and walking it by command."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from chassis.clock import SystemClock
from chassis.grpc.certificates import Certificates
from chassis.grpc.channel import open_channel
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.postgres.pool import open_pool

from auth_service.adapters.audit_files import Place, write
from auth_service.adapters.audit_heads import EcdsaHeadSigner, EcdsaHeadVerifier
from auth_service.adapters.audit_witness import WITNESS_SERVICE, GrpcAuditWitness
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.audit import BEGINNING, Anchor
from auth_service.domain.audit_head import ChainReport, HeadVerifier, SignedHead
from auth_service.domain.audit_witness import AuditWitness
from auth_service.domain.retention import AuditRetention
from auth_service.settings import AuditSettings, AuthSettings, PruneSettings
from auth_service.transport import schedule
from auth_service.transport.audit_signing import AuditSigning
from auth_service.usecases.audit_archive import ExportAudit, PruneAudit
from auth_service.usecases.audit_heads import SignAuditHead
from auth_service.usecases.audit_verification import FindAuditBeginning, VerifyAuditEvents


async def open_witness(
    lifecycle: Lifecycle, settings: AuthSettings, tokens: ServiceTokens, certificates: Certificates | None
) -> AuditWitness | None:
    """Opens the way to the witness of the audit; None where none is configured."""
    if settings.witness_address is None:
        return None
    channel = await lifecycle.enter(
        open_channel(
            settings.witness_address,
            service_tokens=tokens,
            services=[WITNESS_SERVICE],
            credentials=certificates,
        )
    )
    return GrpcAuditWitness(channel)


def begin_signing(
    lifecycle: Lifecycle,
    settings: AuthSettings,
    ring: KeyRing,
    verifier: HeadVerifier,
    witness: AuditWitness | None,
) -> None:
    """Begins to sign the head of the chain whenever it has moved."""
    seconds = settings.audit_head_seconds
    sign = SignAuditHead(
        ring.units, EcdsaHeadSigner(ring), verifier, SystemClock(), timedelta(seconds=seconds), witness
    )
    lifecycle.begin("audit heads", schedule.every(seconds, "audit heads", AuditSigning(sign)))


async def verify_audit(settings: AuditSettings) -> ChainReport:
    """Walks the audit chain, for the command line.

    Raises:
        StartupError: Postgres stays away.
    """
    url = settings.postgres_url.get_secret_value()
    async with open_pool(url, application_name="auth-service-audit", max_size=1) as pool:
        units = PostgresUnitsOfWork(pool)
        return await _verifying(units, settings)()


async def prune_audit(settings: PruneSettings) -> tuple[int, Anchor]:
    """Removes the entries that have served their time, for the command line.

    Returns:
        How many, and the entry after which the chain begins now.

    Raises:
        StartupError: Postgres stays away.
        ChainBroken: the chain is not what was signed.
    """
    url = settings.migration_postgres_url.get_secret_value()
    async with open_pool(url, application_name="auth-service-audit", max_size=1) as pool:
        units, retention = PostgresUnitsOfWork(pool), AuditRetention(settings.audit_retention_years)
        return await PruneAudit(units, _verifying(units, settings), retention, SystemClock())()


def _verifying(units: PostgresUnitsOfWork, settings: AuditSettings | PruneSettings) -> VerifyAuditEvents:
    verifier = _head_verifier(units, settings)
    retention = AuditRetention(settings.audit_retention_years)
    return VerifyAuditEvents(units, verifier, FindAuditBeginning(units, verifier, retention, SystemClock()))


def _head_verifier(units: PostgresUnitsOfWork, settings: AuditSettings | PruneSettings) -> EcdsaHeadVerifier:
    keys = settings.master_keys
    return EcdsaHeadVerifier(units, MasterKey(*keys) if keys else None)


async def export_audit(
    settings: AuditSettings, place: Place, until: datetime
) -> tuple[Path, Anchor, SignedHead] | None:
    """Writes the chain to a file, or what is new to a folder, for the command line.

    Returns:
        The file, the entry after which it begins, and the head that closes it; None when nothing is new.

    Raises:
        StartupError: Postgres stays away.
        ChainBroken: the chain is not what was signed, or not what was exported before.
        OSError: the file cannot be written.
    """
    url = settings.postgres_url.get_secret_value()
    async with open_pool(url, application_name="auth-service-audit", max_size=1) as pool:
        units = PostgresUnitsOfWork(pool)
        verifier, retention = _head_verifier(units, settings), AuditRetention(settings.audit_retention_years)
        if place.after == BEGINNING:
            place = replace(
                place, after=await FindAuditBeginning(units, verifier, retention, SystemClock())()
            )
        export = ExportAudit(units, verifier)
        head = await export.head(place.after, until)
        if head is None:
            return None
        path = place.file(head)
        await write(path, export.lines(place.after, head))
        return path, place.after, head
