"""Domain to protobuf, and back, for what several servicers use."""

from typing import Protocol
from uuid import UUID

from chassis.grpc.roles import ROLE_NUMBERS
from chassis.grpc.timestamps import timestamp
from vestibule.auth.v1 import audit_service_pb2, auth_service_pb2, key_service_pb2, session_service_pb2
from vestibule.events.v1 import events_pb2
from vestibule.users.v1 import user_pb2

from auth_service.domain.audit import ChainedEntry
from auth_service.domain.audit_head import SignedHead
from auth_service.domain.session import Session
from auth_service.domain.signing_key import SigningKey
from auth_service.domain.tokens import Revocation, Tokens, unix_milliseconds
from auth_service.domain.user import User


def user(user: User) -> user_pb2.User:
    """Returns a user."""
    message = user_pb2.User(
        id=str(user.user_id),
        email=user.email,
        full_name=user.full_name,
        role=ROLE_NUMBERS[user.role],
        is_active=user.is_active,
        email_verified=user.email_verified,
        created_at=timestamp(user.created_at),
        updated_at=timestamp(user.updated_at),
        etag=user.etag,
        pending_email=user.pending_email,
    )
    if user.last_login_at is not None:
        message.last_login_at.CopyFrom(timestamp(user.last_login_at))
    return message


def tokens(issued: Tokens, cookie: str) -> auth_service_pb2.Tokens:
    """Returns a session's tokens; the refresh token is absent if it is sent as a cookie."""
    return auth_service_pb2.Tokens(
        access_token=issued.access_token,
        refresh_token=None if cookie else issued.refresh_token,
        token_type="bearer",  # noqa: S106 a kind of token, not one
        expires_in=issued.expires_in_seconds,
        refresh_expires_in=issued.refresh_expires_in_seconds,
        role=ROLE_NUMBERS[issued.role],
    )


class AsksForCookie(Protocol):
    """A request that says how the refresh token is to be sent."""

    refresh_token_in: str


def refresh_cookie(issued: Tokens, request: AsksForCookie) -> str:
    """Returns the refresh token for the cookie; empty for programs, which get it in the body."""
    return issued.refresh_token if request.refresh_token_in else ""


def session(opened: Session, current: UUID | None) -> session_service_pb2.Session:
    """Returns a session; `current` is the one that asks."""
    return session_service_pb2.Session(
        id=str(opened.id),
        created_at=timestamp(opened.created_at),
        last_used_at=timestamp(opened.last_used_at),
        ip=opened.ip,
        user_agent=opened.user_agent,
        current=opened.id == current,
    )


def audit_event(chained: ChainedEntry) -> audit_service_pb2.AuditEvent:
    """Returns an entry of the chain."""
    entry = chained.entry
    return audit_service_pb2.AuditEvent(
        id=str(entry.id),
        sequence=chained.sequence,
        occurred_at=timestamp(entry.occurred_at),
        actor_id=_identifier(entry.actor_id),
        subject_id=_identifier(entry.subject_id),
        action=entry.action,
        outcome=entry.outcome,
        ip=entry.ip,
        user_agent=entry.user_agent,
        request_id=entry.request_id,
        details=entry.details,
        hash=chained.hash.hex(),
    )


def signed_head(head: SignedHead) -> audit_service_pb2.SignedAuditHead:
    """Returns a signed head of the chain."""
    return audit_service_pb2.SignedAuditHead(
        sequence=head.sequence,
        hash=head.hash,
        at=timestamp(head.at),
        kid=head.kid,
        signature=head.signature,
    )


def json_web_key(key: SigningKey) -> key_service_pb2.JsonWebKey:
    """Returns a key's public half."""
    return key_service_pb2.JsonWebKey(
        kty="EC", crv="P-256", x=key.x, y=key.y, kid=key.kid, use="sig", alg="ES256"
    )


def revocation(taken_back: Revocation) -> events_pb2.TokensRevoked:
    """Returns a revocation."""
    return events_pb2.TokensRevoked(
        session_id=_identifier(taken_back.session_id),
        user_id=_identifier(taken_back.user_id),
        every_session=taken_back.every_session,
        kept_session_id=_identifier(taken_back.kept_session_id),
        issued_until_milliseconds=unix_milliseconds(taken_back.issued_until),
        expires_at_milliseconds=unix_milliseconds(taken_back.expires_at),
    )


def _identifier(value: UUID | None) -> str:
    return "" if value is None else str(value)
