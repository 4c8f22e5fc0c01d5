"""Use cases of operators' commands, on a connection of their own.

Each raises `StartupError` when Postgres stays unreachable or the master key does not fit.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from chassis.clock import SystemClock
from chassis.grpc.certificates import open_certificates
from chassis.identity.service_keys import open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.postgres.master_keys import record_use
from chassis.postgres.pool import open_pool
from chassis.startup_errors import StartupError
from pydantic import SecretStr

from auth_service.adapters.argon2_hasher import Argon2Hasher
from auth_service.adapters.audit_files import Place, write
from auth_service.adapters.audit_heads import EcdsaHeadVerifier
from auth_service.adapters.hashing_pool import HashingPool
from auth_service.adapters.hmac_secrets import HmacImportIds
from auth_service.adapters.key_follower import MasterKeyFollower
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.master_keys import PostgresResealing
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.adapters.user_imports import GrpcUserImports
from auth_service.domain.audit import BEGINNING, Anchor
from auth_service.domain.audit_head import ChainReport, SignedHead
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.master_key import ResealReport
from auth_service.domain.retention import AuditRetention
from auth_service.domain.signing_key import Schedule
from auth_service.domain.user_import import ImportFile, ImportProgress
from auth_service.settings import AuditSettings, AuthSettings, KeySettings, PruneSettings
from auth_service.usecases.audit_archive import ExportAudit, PruneAudit
from auth_service.usecases.audit_verification import FindAuditBeginning, VerifyAuditEvents
from auth_service.usecases.master_key import Reseal
from auth_service.usecases.signing_keys import ListedKey, ListSigningKeys, RotateSigningKey, Rotation
from auth_service.usecases.user_import import ImportTotals, ImportUsers
from auth_service.wiring.adapters import ensure_signing_key, open_key_ring, open_user_channel, totp_secrets

_STATEMENT_SECONDS = 60.0
"""A command of minutes does not end because of one slow statement."""


async def verify_audit(settings: AuditSettings) -> ChainReport:
    """Verifies the audit chain."""
    async with _open_units(settings.postgres_url, "audit") as units:
        return await _verification(units, settings)()


async def prune_audit(settings: PruneSettings) -> tuple[int, Anchor]:
    """Removes the audit entries whose retention time is over.

    Returns:
        How many, and the entry after which the chain begins now.

    Raises:
        ChainBroken: the chain is not what was signed.
    """
    async with _open_units(settings.migration_postgres_url, "audit") as units:
        retention = AuditRetention(settings.audit_retention_years)
        return await PruneAudit(units, _verification(units, settings), retention, SystemClock())()


async def export_audit(
    settings: AuditSettings, place: Place, until: datetime
) -> tuple[Path, Anchor, SignedHead] | None:
    """Writes the chain to a file, or what is new to a folder.

    Returns:
        The file, the entry after which it begins, and the head that ends it; None when nothing is new.

    Raises:
        ChainBroken: the chain is not what was signed, or not what was exported before.
        OSError: the file cannot be written.
    """
    async with _open_units(settings.postgres_url, "audit") as units:
        if place.after == BEGINNING:
            place = replace(place, after=await _beginning(units, settings)())
        export = ExportAudit(units, _head_verifier(units, settings))
        head = await export.head(place.after, until)
        if head is None:
            return None
        path = place.file(head)
        await write(place, path, export.lines(place.after, head))
        return path, place.after, head


async def rotate_key(settings: KeySettings) -> Rotation:
    """Publishes the next signing key.

    Raises:
        SuccessorWaits: the next key is published and does not sign yet.
    """
    # A rotation by command does not depend on how long keys are to sign.
    times = Schedule(every=timedelta.max, published_for=timedelta(seconds=settings.key_publish_seconds))
    async with _open_units(settings.postgres_url, "keys") as units:
        return await RotateSigningKey(units, MasterKey(*settings.master_keys), times, SystemClock())()


async def reseal(settings: KeySettings) -> ResealReport:
    """Reseals with the current master key what was sealed with a former one."""
    master_key = MasterKey(*settings.master_keys)
    follower = MasterKeyFollower(master_key, totp_secrets(master_key))
    async with _open_units(settings.postgres_url, "keys") as units:
        return await Reseal(PostgresResealing(units.pool), follower)()


async def list_keys(settings: KeySettings) -> Sequence[ListedKey]:
    """Lists the signing keys."""
    async with _open_units(settings.postgres_url, "keys") as units:
        return await ListSigningKeys(units, SystemClock())()


async def import_users(
    settings: AuthSettings,
    file: ImportFile,
    progress: ImportProgress,
    *,
    check_only: bool,
    skip_refused: bool,
) -> tuple[ImportTotals, ImportTotals | None]:
    """Checks a file of users, and imports it.

    Returns:
        The result of the check and that of the import; no import unless the check allows it.

    Raises:
        OSError: the file cannot be read.
        ChangedFile: it was changed meanwhile; rows of it may have been imported.
        Unavailable: Postgres or user-service is unreachable.
    """
    service_tokens = ServiceTokens(open_service_keys("auth-service", settings))
    certificates = open_certificates(settings.tls_files, service_tokens.keys)
    async with (
        _open_units(settings.postgres_url, "users") as units,
        open_user_channel(settings, service_tokens, certificates) as channel,
        HashingPool(workers=1, queue_per_worker=0) as pool,
    ):
        # What is sealed here has to be readable by the serving processes.
        ring = await open_key_ring(settings, units)
        await ensure_signing_key(ring)
        run = ImportUsers(
            units,
            GrpcUserImports(channel),
            Argon2Hasher(pool, memory_kib=settings.argon2_memory_kib, time_cost=settings.argon2_time_cost),
            HmacImportIds(*ring.master_key.every("imported-users")),
            totp_secrets(ring.master_key),
            progress,
            SystemClock(),
        )
        checked = await run.check(file)
        if check_only or (checked.refused and not skip_refused):
            return checked, None
        await record_use(units.pool, "auth", ring.master_key.key_id)
        return checked, await run(file, checked)


@asynccontextmanager
async def _open_units(url: SecretStr, command: str) -> AsyncIterator[PostgresUnitsOfWork]:
    name = f"auth-service-{command}"
    async with open_pool(
        url.get_secret_value(),
        application_name=name,
        max_size=1,
        statement_timeout_seconds=_STATEMENT_SECONDS,
    ) as pool:
        try:
            yield PostgresUnitsOfWork(pool)
        except MasterKeyMismatch as error:
            raise StartupError(str(error)) from error


def _verification(units: PostgresUnitsOfWork, settings: AuditSettings | PruneSettings) -> VerifyAuditEvents:
    return VerifyAuditEvents(units, _head_verifier(units, settings), _beginning(units, settings))


def _beginning(units: PostgresUnitsOfWork, settings: AuditSettings | PruneSettings) -> FindAuditBeginning:
    retention = AuditRetention(settings.audit_retention_years)
    return FindAuditBeginning(units, _head_verifier(units, settings), retention, SystemClock())


def _head_verifier(units: PostgresUnitsOfWork, settings: AuditSettings | PruneSettings) -> EcdsaHeadVerifier:
    keys = settings.master_keys
    return EcdsaHeadVerifier(units, MasterKey(*keys) if keys else None)
