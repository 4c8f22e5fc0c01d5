"""`vestibule.auth.v1.AccountService`: credentials, for user-service."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.grpc import committed
from chassis.identity.caller import current_caller
from vestibule.auth.v1 import account_service_pb2 as pb
from vestibule.auth.v1.account_service_pb2_grpc import AccountServiceServicer
from vestibule.events.v1.events_pb2 import Event

from auth_service.transport import messages
from auth_service.usecases.get_registration import GetRegistration
from auth_service.usecases.refuse_registration import RefuseRegistration
from auth_service.usecases.sync_account import SyncAccount
from auth_service.usecases.verify_password import VerifyPassword


@dataclass(frozen=True, slots=True)
class AccountServicer(AccountServiceServicer):
    """Answers each call by its use case."""

    get_registration: GetRegistration
    refuse_registration: RefuseRegistration
    sync_account: SyncAccount
    verify_password: VerifyPassword

    async def GetRegistration(
        self, request: pb.GetRegistrationRequest, context: Any
    ) -> pb.GetRegistrationResponse:
        """Returns a registration that waits to be admitted."""
        registration = await self.get_registration(user_id=UUID(request.user_id))
        return pb.GetRegistrationResponse(
            email=registration.email,
            full_name=registration.full_name,
            role=messages.ROLES[registration.role],
        )

    async def RefuseRegistration(
        self, request: pb.RefuseRegistrationRequest, context: Any
    ) -> pb.RefuseRegistrationResponse:
        """Drops a registration that cannot be admitted."""
        await self.refuse_registration(user_id=UUID(request.user_id), caller=current_caller())
        return pb.RefuseRegistrationResponse()

    async def SyncAccount(self, request: pb.SyncAccountRequest, context: Any) -> pb.SyncAccountResponse:
        """Makes the credential equal to the person."""
        revocations = await self.sync_account(user_id=UUID(request.user_id), caller=current_caller())
        for revocation in revocations:
            committed.note(Event(tokens_revoked=messages.revocation(revocation)))
        return pb.SyncAccountResponse()

    async def VerifyPassword(
        self, request: pb.VerifyPasswordRequest, context: Any
    ) -> pb.VerifyPasswordResponse:
        """Says whether a password is the person's."""
        matches = await self.verify_password(
            user_id=UUID(request.user_id), password=request.password, caller=current_caller()
        )
        return pb.VerifyPasswordResponse(matches=matches)
