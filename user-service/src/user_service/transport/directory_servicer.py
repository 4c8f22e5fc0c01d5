"""`vestibule.users.v1.DirectoryService`: people, for the other services."""

from datetime import UTC
from typing import Any
from uuid import UUID

from chassis.errors import Invalid
from chassis.identity.caller import current_caller
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceServicer

from user_service.domain.user import Tombstone
from user_service.transport.messages import user_message
from user_service.usecases.admit_user import AdmitUser
from user_service.usecases.get_account import GetAccount
from user_service.usecases.get_audit_client import GetAuditClient
from user_service.usecases.mark_email_verified import MarkEmailVerified, RestoreEmail
from user_service.usecases.record_sign_in import RecordSignIn


class DirectoryServicer(DirectoryServiceServicer):
    """Answers each call by its use case."""

    def __init__(
        self,
        *,
        admit_user: AdmitUser,
        get_account: GetAccount,
        record_sign_in: RecordSignIn,
        mark_email_verified: MarkEmailVerified,
        get_audit_client: GetAuditClient,
        restore_email: RestoreEmail,
    ) -> None:
        self._admit_user = admit_user
        self._get_account = get_account
        self._record_sign_in = record_sign_in
        self._mark_email_verified = mark_email_verified
        self._get_audit_client = get_audit_client
        self._restore_email = restore_email

    async def AdmitUser(self, request: pb.AdmitUserRequest, context: Any) -> pb.AdmitUserResponse:
        """Turns a pending registration into a person."""
        user = await self._admit_user(current_caller(), UUID(request.user_id))
        return pb.AdmitUserResponse(user=user_message(user), version=user.version)

    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.GetAccountResponse:
        """Returns what a service may copy of a person."""
        found = await self._get_account(UUID(request.user_id))
        if isinstance(found, Tombstone):
            return pb.GetAccountResponse(version=found.version, erased=True)
        return pb.GetAccountResponse(user=user_message(found), version=found.version)

    async def RecordSignIn(self, request: pb.RecordSignInRequest, context: Any) -> pb.RecordSignInResponse:
        """Notes that a person signed in."""
        try:
            signed_in_at = request.signed_in_at.ToDatetime(UTC)
        except (ValueError, OverflowError) as error:
            raise Invalid.on("signed_in_at", "is not a moment") from error
        await self._record_sign_in(UUID(request.user_id), signed_in_at)
        return pb.RecordSignInResponse()

    async def MarkEmailVerified(
        self, request: pb.MarkEmailVerifiedRequest, context: Any
    ) -> pb.MarkEmailVerifiedResponse:
        """Notes that an address was shown to be a person's."""
        user = await self._mark_email_verified(current_caller(), UUID(request.user_id), request.email)
        return pb.MarkEmailVerifiedResponse(user=None if user is None else user_message(user))

    async def RestoreEmail(self, request: pb.RestoreEmailRequest, context: Any) -> pb.RestoreEmailResponse:
        """Gives a user an address back that they had."""
        await self._restore_email(current_caller(), UUID(request.user_id), request.email)
        return pb.RestoreEmailResponse()
        await self._mark_email_verified(current_caller(), UUID(request.user_id), request.email)
        return pb.MarkEmailVerifiedResponse()

    async def GetAuditClient(
        self, request: pb.GetAuditClientRequest, context: Any
    ) -> pb.GetAuditClientResponse:
        """Returns whom an audit event came from."""
        client = await self._get_audit_client(UUID(request.event_id))
        return pb.GetAuditClientResponse(
            ip=client.ip, user_agent=client.user_agent, request_id=client.request_id
        )
