"""`vestibule.auth.v1.AccountService`: credentials, for user-service."""

from typing import Any
from uuid import UUID

from chassis.grpc import committed
from chassis.grpc.roles import ROLE_NUMBERS
from chassis.grpc.timestamps import timestamp
from chassis.identity.caller import current_caller
from vestibule.auth.v1 import account_service_pb2 as pb
from vestibule.auth.v1.account_service_pb2_grpc import AccountServiceServicer
from vestibule.events.v1.events_pb2 import Event

from auth_service.transport import exports, messages
from auth_service.usecases.account_export import ExportAccount, ExportAuditEvents
from auth_service.usecases.ports import Ports
from auth_service.usecases.registration import GetRegistration


class AccountServicer(AccountServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        self.get_registration = GetRegistration(ports.units)
        self.refuse_registration = ports.refuse_registration
        self.sync_account = ports.sync_account
        self.verify_password = ports.verify_password
        self.export_account = ExportAccount(ports.units, ports.throttle_keys)
        self.export_audit_events = ExportAuditEvents(ports.units)

    async def GetRegistration(
        self, request: pb.GetRegistrationRequest, context: Any
    ) -> pb.GetRegistrationResponse:
        """Returns a registration that waits to be admitted."""
        registration = await self.get_registration(user_id=UUID(request.user_id))
        return pb.GetRegistrationResponse(
            email=registration.email,
            full_name=registration.full_name,
            role=ROLE_NUMBERS[registration.role],
            email_verified=registration.email_verified,
            created_at=timestamp(registration.joined_at),
            is_deactivated=not registration.is_active,
        )

    async def RefuseRegistration(
        self, request: pb.RefuseRegistrationRequest, context: Any
    ) -> pb.RefuseRegistrationResponse:
        """Drops a registration that cannot be admitted."""
        await self.refuse_registration(user_id=UUID(request.user_id), caller=current_caller())
        return pb.RefuseRegistrationResponse()

    async def SyncAccount(self, request: pb.SyncAccountRequest, context: Any) -> pb.SyncAccountResponse:
        """Makes the credential equal to the user."""
        revocations = await self.sync_account(user_id=UUID(request.user_id), caller=current_caller())
        for revocation in revocations:
            committed.note(Event(tokens_revoked=messages.revocation(revocation)))
        return pb.SyncAccountResponse()

    async def VerifyPassword(
        self, request: pb.VerifyPasswordRequest, context: Any
    ) -> pb.VerifyPasswordResponse:
        """Says whether a password is the user's."""
        matches = await self.verify_password(
            user_id=UUID(request.user_id), password=request.password, caller=current_caller()
        )
        return pb.VerifyPasswordResponse(matches=matches)

    async def ExportAccount(self, request: pb.ExportAccountRequest, context: Any) -> pb.ExportAccountResponse:
        """Returns everything that is held about a user, the audit chain excepted."""
        export = await self.export_account(user_id=UUID(request.user_id))
        return pb.ExportAccountResponse(account=exports.account(export))

    async def ExportAuditEvents(
        self, request: pb.ExportAuditEventsRequest, context: Any
    ) -> pb.ExportAuditEventsResponse:
        """Returns a page of what happened by a user or to a user."""
        entries = await self.export_audit_events(
            user_id=UUID(request.user_id),
            below=request.below if request.HasField("below") else None,
            page_size=request.page_size,
        )
        return pb.ExportAuditEventsResponse(events=[exports.audit_event(each) for each in entries])
