"""The credentials that auth-service keeps, by its AccountService."""

from uuid import UUID

import structlog
from chassis.errors import DeadlineExceeded, Kind, ServiceError, Unavailable
from chassis.grpc.channel import ServiceChannel
from vestibule.auth.v1 import account_service_pb2 as pb
from vestibule.auth.v1.account_service_pb2_grpc import AccountServiceStub
from vestibule.users.v1 import user_pb2

from user_service.domain.export import AccountData, AuditData, AuditPage
from user_service.domain.user import Registration, Role

log = structlog.get_logger()

_ROLES = {user_pb2.ROLE_USER: Role.USER, user_pb2.ROLE_ADMIN: Role.ADMIN}


class GrpcAccounts:
    """Asks and tells auth-service over gRPC."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = AccountServiceStub(channel)

    async def registration(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits to be admitted.

        Raises:
            Unavailable: auth-service cannot answer now.
        """
        try:
            answer = await self._stub.GetRegistration(pb.GetRegistrationRequest(user_id=str(user_id)))
        except DeadlineExceeded as error:
            raise Unavailable from error
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise
        return Registration(
            answer.email, answer.full_name, _ROLES.get(answer.role, Role.USER), answer.email_verified
        )

    async def refuse_registration(self, user_id: UUID) -> None:
        """Drops a registration that cannot be admitted.

        Raises:
            Unavailable: auth-service cannot answer now.
        """
        try:
            await self._stub.RefuseRegistration(pb.RefuseRegistrationRequest(user_id=str(user_id)))
        except DeadlineExceeded as error:
            raise Unavailable from error

    async def sync(self, user_id: UUID) -> None:
        """Makes the credential equal to the person as committed here.

        Raises:
            Unavailable: auth-service did not do it now; the outbox will see to it.
        """
        try:
            await self._stub.SyncAccount(pb.SyncAccountRequest(user_id=str(user_id)))
        except Unavailable:
            raise
        except ServiceError as error:
            # Whatever it was, the change is committed and the event is on its way.
            log.warning("account not in step yet", user_id=str(user_id), reason=error.reason)
            raise Unavailable from error

    async def verify_password(self, user_id: UUID, password: str) -> bool:
        """Whether the password is the person's.

        Raises:
            Unavailable: auth-service cannot answer now.
            RemoteError: Too many wrong ones (TOO_MANY_ATTEMPTS).
        """
        request = pb.VerifyPasswordRequest(user_id=str(user_id), password=password)
        try:
            answer = await self._stub.VerifyPassword(request)
        except DeadlineExceeded as error:
            raise Unavailable from error
        return bool(answer.matches)

    async def export(self, user_id: UUID) -> AccountData:
        """Returns everything that auth-service holds about a person, the audit chain excepted.

        Raises:
            NotFound: There is no such person, or not any more.
            Unavailable: auth-service cannot answer now.
        """
        try:
            answer = await self._stub.ExportAccount(pb.ExportAccountRequest(user_id=str(user_id)))
        except DeadlineExceeded as error:
            raise Unavailable from error
        return AccountData(answer.account)

    async def audit_events(self, user_id: UUID, below: int | None, page_size: int) -> AuditPage:
        """Returns entries of the audit chain by or about a person, the newest first.

        Raises:
            Unavailable: auth-service cannot answer now.
        """
        request = pb.ExportAuditEventsRequest(user_id=str(user_id), below=below, page_size=page_size)
        try:
            answer = await self._stub.ExportAuditEvents(request)
        except DeadlineExceeded as error:
            raise Unavailable from error
        entries = answer.events
        full = len(entries) == page_size
        return AuditPage(
            [AuditData(each) for each in entries], next_below=entries[-1].sequence if full else None
        )
