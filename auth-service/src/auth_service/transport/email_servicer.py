"""`vestibule.auth.v1.EmailService`: showing that an address is one's own."""

from typing import Any

from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import email_service_pb2 as pb
from vestibule.auth.v1.email_service_pb2_grpc import EmailServiceServicer

from auth_service.domain.mail import UNDO_TOKENS, VERIFICATIONS
from auth_service.usecases.email_verification import ResendVerification, VerifyEmail
from auth_service.usecases.mailed_tokens import MailedTokens
from auth_service.usecases.ports import Ports
from auth_service.usecases.undo import UndoEmailChange


class EmailServicer(EmailServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        sync, clock = ports.sync_account, ports.clock
        self.verify_email = VerifyEmail(
            MailedTokens(VERIFICATIONS, "auth.email_verified", ports.units, ports.mail_tokens, clock),
            ports.directory,
            ports.report_email_verified,
            sync,
        )
        self.resend_verification = ResendVerification(ports.units, sync, clock)
        self.undo_email_change = UndoEmailChange(
            MailedTokens(UNDO_TOKENS, "auth.change_undone", ports.units, ports.mail_tokens, clock),
            ports.hasher,
            ports.restore_email,
        )

    async def VerifyEmail(self, request: pb.VerifyEmailRequest, context: Any) -> Empty:
        """Takes a mailed token as the proof of an address."""
        await self.verify_email(
            token=request.token, caller=current_caller(), idempotency=current_idempotency()
        )
        return Empty()

    async def ResendVerification(
        self, request: pb.ResendVerificationRequest, context: Any
    ) -> pb.ResendVerificationResponse:
        """Mails the caller a new token."""
        await self.resend_verification(caller=current_caller())
        return pb.ResendVerificationResponse()

    async def UndoEmailChange(self, request: pb.UndoEmailChangeRequest, context: Any) -> Empty:
        """Takes a change of the address back."""
        await self.undo_email_change(
            token=request.token, caller=current_caller(), idempotency=current_idempotency()
        )
        return Empty()
