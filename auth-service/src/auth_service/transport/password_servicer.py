"""`vestibule.auth.v1.PasswordService`: getting back in without the password."""

from typing import Any

from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import password_service_pb2 as pb
from vestibule.auth.v1.password_service_pb2_grpc import PasswordServiceServicer

from auth_service.domain.mail import RESETS
from auth_service.usecases.mailed_tokens import MailedTokens
from auth_service.usecases.passwords import ForgotPassword, ResetPassword
from auth_service.usecases.ports import Ports


class PasswordServicer(PasswordServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        self.forgot_password = ForgotPassword(
            ports.units, ports.throttle_keys, ports.clock, ports.after_response
        )
        self.reset_password = ResetPassword(
            MailedTokens(RESETS, "auth.password_reset", ports.units, ports.mail_tokens, ports.clock),
            ports.throttle_keys,
            ports.password_policy,
            ports.hasher,
            ports.directory,
        )

    async def ForgotPassword(
        self, request: pb.ForgotPasswordRequest, context: Any
    ) -> pb.ForgotPasswordResponse:
        """Mails a reset token to the user with the address."""
        await self.forgot_password(email=request.email, caller=current_caller())
        return pb.ForgotPasswordResponse()

    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: Any) -> Empty:
        """Exchanges a mailed token for a new password."""
        await self.reset_password(
            token=request.token,
            new_password=request.new_password,
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        return Empty()
