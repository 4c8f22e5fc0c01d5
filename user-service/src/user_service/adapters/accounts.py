"""auth-service's accounts over gRPC."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from chassis.errors import DeadlineExceeded, Kind, ServiceError, Unavailable
from chassis.grpc.channel import ServiceChannel
from chassis.grpc.roles import ROLES
from chassis.grpc.timestamps import datetime_of
from chassis.identity.role import Role
from vestibule.auth.v1 import account_service_pb2 as pb
from vestibule.auth.v1.account_service_pb2_grpc import AccountServiceStub

from user_service.domain.accounts import Registration
from user_service.domain.export import AccountData, AuditData, AuditPage

log = structlog.get_logger()


class GrpcAccounts:
    """`Accounts` by auth-service's AccountService."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = AccountServiceStub(channel)

    async def registration(self, user_id: UUID) -> Registration | None:
        """Returns a pending registration; None when there is none."""
        try:
            with _unavailable_on_timeout():
                answer = await self._stub.GetRegistration(pb.GetRegistrationRequest(user_id=str(user_id)))
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise
        return Registration(
            email=answer.email,
            full_name=answer.full_name,
            role=ROLES.get(answer.role, Role.USER),
            email_verified=answer.email_verified,
            created_at=datetime_of(answer.created_at) if answer.HasField("created_at") else None,
            is_active=not answer.is_deactivated,
        )

    async def refuse_registration(self, user_id: UUID) -> None:
        """Drops a registration that cannot be admitted."""
        with _unavailable_on_timeout():
            await self._stub.RefuseRegistration(pb.RefuseRegistrationRequest(user_id=str(user_id)))

    async def sync(self, user_id: UUID) -> None:
        """Makes the credential equal to the committed user."""
        try:
            await self._stub.SyncAccount(pb.SyncAccountRequest(user_id=str(user_id)))
        except Unavailable:
            raise
        except ServiceError as error:
            # The change is committed; the event in the outbox makes auth-service retry.
            log.warning("account sync failed; retrying", user_id=str(user_id), reason=error.reason)
            raise Unavailable from error

    async def verify_password(self, user_id: UUID, password: str) -> bool:
        """Whether the password is the user's."""
        request = pb.VerifyPasswordRequest(user_id=str(user_id), password=password)
        with _unavailable_on_timeout():
            answer = await self._stub.VerifyPassword(request)
        return bool(answer.matches)

    async def export(self, user_id: UUID) -> AccountData:
        """Returns everything that auth-service holds about a user, except the audit chain."""
        with _unavailable_on_timeout():
            answer = await self._stub.ExportAccount(pb.ExportAccountRequest(user_id=str(user_id)))
        return AccountData(answer.account)

    async def audit_events(self, user_id: UUID, below: int | None, page_size: int) -> AuditPage:
        """Returns audit entries by or about a user, newest first."""
        request = pb.ExportAuditEventsRequest(user_id=str(user_id), below=below, page_size=page_size)
        with _unavailable_on_timeout():
            answer = await self._stub.ExportAuditEvents(request)
        entries = answer.events
        full = len(entries) == page_size
        return AuditPage(
            [AuditData(each) for each in entries], next_below=entries[-1].sequence if full else None
        )


@contextmanager
def _unavailable_on_timeout() -> Iterator[None]:
    try:
        yield
    except DeadlineExceeded as error:
        raise Unavailable from error
