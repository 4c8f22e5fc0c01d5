"""The export of a user's data, as messages."""

from chassis.grpc.roles import ROLE_NUMBERS
from chassis.grpc.timestamps import timestamp
from vestibule.users.v1 import export_pb2 as pb

from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import ChainedEntry
from auth_service.domain.export import AccountExport, SecondFactorExport
from auth_service.domain.session import Session


def account(export: AccountExport) -> pb.AccountData:
    """Returns everything but the audit chain."""
    credential = export.credential
    return pb.AccountData(
        email=credential.email or "",
        email_verified=credential.email_verified,
        role=ROLE_NUMBERS[credential.role],
        is_active=credential.is_active,
        created_at=timestamp(credential.created_at),
        password_changed_at=timestamp(credential.password_changed_at),
        sessions=[_session(each) for each in export.sessions],
        second_factors=[_second_factor(each) for each in export.second_factors],
        api_keys=[_api_key(each) for each in export.api_keys],
        waiting_mails=[kind.value for kind in export.waiting_mails],
        mail_tokens=[
            pb.MailTokenData(kind=each.kind.value, expires_at=timestamp(each.expires_at))
            for each in export.mail_tokens
        ],
        former_emails=[
            pb.FormerEmailData(
                email=each.email, kept_at=timestamp(each.kept_at), expires_at=timestamp(each.expires_at)
            )
            for each in export.former_emails
        ],
        accept_language=credential.accept_language,
        wrong_passwords=[timestamp(at) for at in export.wrong_passwords],
    )


def audit_event(chained: ChainedEntry) -> pb.AuditData:
    """Returns an entry of the audit chain."""
    entry = chained.entry
    return pb.AuditData(
        id=str(entry.id),
        sequence=chained.sequence,
        occurred_at=timestamp(entry.occurred_at),
        actor_id=str(entry.actor_id or ""),
        subject_id=str(entry.subject_id or ""),
        action=entry.action,
        outcome=entry.outcome,
        ip=entry.ip,
        user_agent=entry.user_agent,
        request_id=entry.request_id,
        details=dict(entry.details),
    )


def _session(session: Session) -> pb.SessionData:
    return pb.SessionData(
        id=str(session.id),
        created_at=timestamp(session.created_at),
        last_used_at=timestamp(session.last_used_at),
        expires_at=timestamp(session.expires_at),
        ended_at=timestamp(session.ended_at),
        ip=session.ip,
        user_agent=session.user_agent,
    )


def _second_factor(factor: SecondFactorExport) -> pb.SecondFactorData:
    return pb.SecondFactorData(
        kind=factor.kind,
        name=factor.name,
        is_confirmed=factor.is_confirmed,
        count=factor.count,
        created_at=timestamp(factor.created_at),
        last_used_at=timestamp(factor.last_used_at),
    )


def _api_key(key: ApiKey) -> pb.ApiKeyData:
    return pb.ApiKeyData(
        id=str(key.id),
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes,
        created_at=timestamp(key.created_at),
        last_used_at=timestamp(key.last_used_at),
        expires_at=timestamp(key.expires_at),
        revoked_at=timestamp(key.revoked_at),
    )
