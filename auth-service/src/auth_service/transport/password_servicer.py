"""`vestibule.auth.v1.PasswordService`: getting back in without the password."""

from dataclasses import dataclass
from typing import Any

from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import password_service_pb2 as pb
from vestibule.auth.v1.password_service_pb2_grpc import PasswordServiceServicer

from auth_service.transport.idempotency import current_idempotency
from auth_service.usecases.passwords import ForgotPassword, ResetPassword


@dataclass(frozen=True, slots=True)
class PasswordServicer(PasswordServiceServicer):
    """Answers each call by its use case."""

    forgot_password: ForgotPassword
    reset_password: ResetPassword

    async def ForgotPassword(
        self, request: pb.ForgotPasswordRequest, context: Any
    ) -> pb.ForgotPasswordResponse:
        """Mails a reset token to whoever has the address."""
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
