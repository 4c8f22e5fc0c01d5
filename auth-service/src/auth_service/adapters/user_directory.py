"""user-service behind `UserDirectory`."""

from datetime import datetime
from uuid import UUID

import structlog
from chassis.errors import Kind, NotFound, RemoteError, ServiceError, TokenInvalid, Unavailable
from chassis.grpc.channel import ServiceChannel
from chassis.grpc.roles import ROLES
from chassis.grpc.timestamps import datetime_of, timestamp
from chassis.identity.audit_client import AuditClient
from vestibule.users.v1 import directory_service_pb2, user_pb2
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceStub

from auth_service.domain.errors import EmailTaken
from auth_service.domain.user import User, UserState

log = structlog.get_logger()

RECORD_SIGN_IN_SECONDS = 0.5
MARK_VERIFIED_SECONDS = 2.0


class GrpcUserDirectory:
    """Asks user-service over gRPC."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._directory = DirectoryServiceStub(channel)

    async def admit(self, user_id: UUID) -> User:
        """Turns a registration into a user; answers the same when it is one already.

        Raises:
            EmailTaken: another user has the address.
            NotFound: there is no such registration.
            Unavailable: user-service cannot be asked.
        """
        try:
            response = await self._directory.AdmitUser(
                directory_service_pb2.AdmitUserRequest(user_id=str(user_id))
            )
        except RemoteError as error:
            raise _translated(error) from error
        return _user(response.user)

    async def account(self, user_id: UUID) -> UserState | None:
        """Returns a user as they are now; None for an id that was never a user's.

        Raises:
            Unavailable: user-service cannot be asked.
        """
        try:
            response = await self._directory.GetAccount(
                directory_service_pb2.GetAccountRequest(user_id=str(user_id))
            )
        except RemoteError as error:
            if error.reason == NotFound.reason:
                return None
            raise
        return UserState(version=response.version, user=None if response.erased else _user(response.user))

    async def audit_client(self, event_id: UUID) -> AuditClient | None:
        """Returns whom an audit event of user-service's came from; None once that is erased.

        Raises:
            Unavailable: user-service cannot be asked, or refuses this service, as while keys are replaced.
        """
        request = directory_service_pb2.GetAuditClientRequest(event_id=str(event_id))
        try:
            client = await self._directory.GetAuditClient(request)
        except ServiceError as error:
            if error.kind in {Kind.UNAVAILABLE, Kind.DEADLINE}:
                raise
            if error.kind in {Kind.UNAUTHENTICATED, Kind.FORBIDDEN}:
                raise Unavailable from error
            if error.kind is not Kind.NOT_FOUND:
                log.warning("audit entry stored without its client", reason=error.reason)
            return None
        return AuditClient(ip=client.ip, user_agent=client.user_agent, request_id=client.request_id)

    async def record_sign_in(self, user_id: UUID, at: datetime) -> bool:
        """Reports a sign-in; returns whether user-service has noted it in a short time."""
        request = directory_service_pb2.RecordSignInRequest(user_id=str(user_id), signed_in_at=timestamp(at))
        try:
            await self._directory.RecordSignIn(request, timeout=RECORD_SIGN_IN_SECONDS)
        except ServiceError as error:
            log.info("sign-in not recorded by user-service; sent as an event", reason=error.reason)
            return False
        return True

    async def mark_email_verified(self, user_id: UUID, email: str) -> None:
        """Reports that a user's address was verified.

        Raises:
            Unavailable: user-service does not answer in a short time.
        """
        request = directory_service_pb2.MarkEmailVerifiedRequest(user_id=str(user_id), email=email)
        await self._directory.MarkEmailVerified(request, timeout=MARK_VERIFIED_SECONDS)

    async def confirm_email(self, user_id: UUID, email: str) -> None:
        """Makes the pending address, which was proven, the user's.

        Raises:
            EmailTaken: another user has it by now.
            TokenInvalid: it is not pending any more.
            Unavailable: user-service cannot be asked, or is of a release that does not know how.
        """
        request = directory_service_pb2.MarkEmailVerifiedRequest(user_id=str(user_id), email=email)
        try:
            response = await self._directory.MarkEmailVerified(request, timeout=MARK_VERIFIED_SECONDS)
        except RemoteError as error:
            raise _translated(error) from error
        if not response.HasField("user"):
            raise Unavailable
        if response.user.email != email:
            raise TokenInvalid

    async def restore_email(self, user_id: UUID, email: str) -> None:
        """Gives a user an address back that they had, proven, with none pending.

        Raises:
            EmailTaken: another user has it by now.
            Unavailable: user-service cannot be asked.
        """
        request = directory_service_pb2.RestoreEmailRequest(user_id=str(user_id), email=email)
        try:
            await self._directory.RestoreEmail(request, timeout=MARK_VERIFIED_SECONDS)
        except RemoteError as error:
            raise _translated(error) from error


def _translated(error: RemoteError) -> ServiceError:
    if error.reason == EmailTaken.reason:
        return EmailTaken()
    return NotFound() if error.reason == NotFound.reason else error


def _user(user: user_pb2.User) -> User:
    return User(
        user_id=UUID(user.id),
        email=user.email,
        full_name=user.full_name,
        role=ROLES[user.role],
        is_active=user.is_active,
        email_verified=user.email_verified,
        created_at=datetime_of(user.created_at),
        updated_at=datetime_of(user.updated_at),
        last_login_at=datetime_of(user.last_login_at) if user.HasField("last_login_at") else None,
        etag=user.etag,
        pending_email=user.pending_email if user.HasField("pending_email") else None,
    )
