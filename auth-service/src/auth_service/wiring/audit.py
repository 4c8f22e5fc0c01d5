"""The audit chain: signing its heads beside the server, and walking it by command."""

from datetime import datetime, timedelta
from pathlib import Path

from chassis.clock import SystemClock
from chassis.lifecycle import Lifecycle
from chassis.postgres.pool import open_database

from auth_service.adapters.audit_files import Place, write
from auth_service.adapters.audit_heads import EcdsaHeadJudge, EcdsaHeadSigner
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.database import PostgresDatabase
from auth_service.domain.audit_head import ChainReport, SignedHead
from auth_service.domain.ports import HeadJudge
from auth_service.settings import AuditSettings, AuthSettings
from auth_service.transport import schedule
from auth_service.transport.audit_signing import AuditSigning
from auth_service.usecases.export_audit import ExportAudit
from auth_service.usecases.sign_audit_head import SignAuditHead
from auth_service.usecases.verify_audit_events import VerifyAuditEvents


def begin_signing(lifecycle: Lifecycle, settings: AuthSettings, ring: KeyRing, judge: HeadJudge) -> None:
    """Begins to sign the head of the chain whenever it has moved."""
    seconds = settings.audit_head_seconds
    sign = SignAuditHead(
        ring.database, EcdsaHeadSigner(ring), judge, SystemClock(), timedelta(seconds=seconds)
    )
    lifecycle.begin("audit heads", schedule.every(seconds, "audit heads", AuditSigning(sign)))


async def verify_audit(settings: AuditSettings) -> ChainReport:
    """Walks the audit chain, for the command line.

    Raises:
        StartupError: Postgres stays away.
    """
    url, key = settings.postgres_url.get_secret_value(), settings.master_key_bytes
    async with open_database(url, application_name="auth-service-audit", max_size=1) as pool:
        database = PostgresDatabase(pool)
        judge = EcdsaHeadJudge(database, None if key is None else MasterKey(key))
        return await VerifyAuditEvents(database, judge)()


async def export_audit(
    settings: AuditSettings, place: Place, until: datetime
) -> tuple[Path, SignedHead] | None:
    """Writes the chain to a file, or what is new to a folder, for the command line.

    Returns:
        The file and the head that closes it; None when nothing is new.

    Raises:
        StartupError: Postgres stays away.
        ChainBroken: the chain is not what was signed, or not what was exported before.
        OSError: the file cannot be written.
    """
    url, key = settings.postgres_url.get_secret_value(), settings.master_key_bytes
    async with open_database(url, application_name="auth-service-audit", max_size=1) as pool:
        database = PostgresDatabase(pool)
        export = ExportAudit(database, EcdsaHeadJudge(database, None if key is None else MasterKey(key)))
        head = await export.head(place.after, until)
        if head is None:
            return None
        path = place.file(head)
        await write(path, export.lines(place.after, head))
        return path, head
