"""`vestibule.users.v1.DirectoryService`: users, for auth-service."""

from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.grpc.timestamps import requested_time
from chassis.identity.caller import current_caller
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceServicer

from user_service.domain.accounts import Accounts
from user_service.domain.tombstone import Tombstone
from user_service.domain.unit_of_work import StaleCopies, UnitsOfWork
from user_service.domain.user_import import ImportResult
from user_service.transport.messages import imported_user, user_message
from user_service.usecases.audit import GetAuditClient
from user_service.usecases.email_addresses import MarkEmailVerified, RestoreEmail
from user_service.usecases.registration import AdmitUser
from user_service.usecases.user_import import ImportUsers
from user_service.usecases.users import GetAccount, RecordSignIn

_RESULTS = {
    ImportResult.CREATED: pb.IMPORT_RESULT_CREATED,
    ImportResult.EXISTS: pb.IMPORT_RESULT_EXISTS,
    ImportResult.EMAIL_TAKEN: pb.IMPORT_RESULT_EMAIL_TAKEN,
    ImportResult.ERASED: pb.IMPORT_RESULT_ERASED,
}


class DirectoryServicer(DirectoryServiceServicer):
    """Runs one use case per call."""

    def __init__(
        self, units: UnitsOfWork, accounts: Accounts, stale_copies: StaleCopies, clock: Clock
    ) -> None:
        self._admit_user = AdmitUser(units, accounts, clock)
        self._get_account = GetAccount(units)
        self._record_sign_in = RecordSignIn(units, stale_copies)
        self._mark_email_verified = MarkEmailVerified(units, clock)
        self._restore_email = RestoreEmail(units, clock)
        self._import_users = ImportUsers(units)
        self._get_audit_client = GetAuditClient(units)

    async def AdmitUser(self, request: pb.AdmitUserRequest, context: Any) -> pb.AdmitUserResponse:
        """Creates the user of a pending registration."""
        user = await self._admit_user(caller=current_caller(), user_id=UUID(request.user_id))
        return pb.AdmitUserResponse(user=user_message(user), version=user.version)

    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.GetAccountResponse:
        """Returns what auth-service copies of a user."""
        found = await self._get_account(user_id=UUID(request.user_id))
        if isinstance(found, Tombstone):
            return pb.GetAccountResponse(version=found.version, erased=True)
        return pb.GetAccountResponse(user=user_message(found), version=found.version)

    async def RecordSignIn(self, request: pb.RecordSignInRequest, context: Any) -> pb.RecordSignInResponse:
        """Records a sign-in."""
        signed_in_at = requested_time(request.signed_in_at, "signed_in_at")
        await self._record_sign_in(user_id=UUID(request.user_id), signed_in_at=signed_in_at)
        return pb.RecordSignInResponse()

    async def MarkEmailVerified(
        self, request: pb.MarkEmailVerifiedRequest, context: Any
    ) -> pb.MarkEmailVerifiedResponse:
        """Records that a user's address was verified."""
        user = await self._mark_email_verified(
            caller=current_caller(), user_id=UUID(request.user_id), email=request.email
        )
        return pb.MarkEmailVerifiedResponse(user=None if user is None else user_message(user))

    async def RestoreEmail(self, request: pb.RestoreEmailRequest, context: Any) -> pb.RestoreEmailResponse:
        """Restores a user's former address."""
        await self._restore_email(caller=current_caller(), user_id=UUID(request.user_id), email=request.email)
        return pb.RestoreEmailResponse()

    async def ImportUsers(self, request: pb.ImportUsersRequest, context: Any) -> pb.ImportUsersResponse:
        """Creates users of another system."""
        results = await self._import_users(
            caller=current_caller(),
            users=[imported_user(each) for each in request.users],
            check_only=request.check_only,
        )
        return pb.ImportUsersResponse(results=[_RESULTS[result] for result in results])

    async def GetAuditClient(
        self, request: pb.GetAuditClientRequest, context: Any
    ) -> pb.GetAuditClientResponse:
        """Returns the client behind an audit event."""
        client = await self._get_audit_client(event_id=UUID(request.event_id))
        return pb.GetAuditClientResponse(
            ip=client.ip, user_agent=client.user_agent, request_id=client.request_id
        )
