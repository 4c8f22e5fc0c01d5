"""`vestibule.auth.v1.MfaService`: the second factor."""

from dataclasses import dataclass
from typing import Any

from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import mfa_service_pb2 as pb
from vestibule.auth.v1.mfa_service_pb2_grpc import MfaServiceServicer

from auth_service.transport import messages
from auth_service.transport.idempotency import current_idempotency
from auth_service.usecases.mfa_login import VerifyMfa
from auth_service.usecases.second_factor import BeginTotp, ConfirmTotp, RemoveTotp


@dataclass(frozen=True, slots=True)
class MfaServicer(MfaServiceServicer):
    """Answers each call by its use case."""

    begin_totp: BeginTotp
    confirm_totp: ConfirmTotp
    remove_totp: RemoveTotp
    verify_mfa: VerifyMfa

    async def BeginTotp(self, request: pb.BeginTotpRequest, context: Any) -> pb.BeginTotpResponse:
        """Makes a secret."""
        enrolment = await self.begin_totp(caller=current_caller())
        return pb.BeginTotpResponse(secret=enrolment.secret, otpauth_uri=enrolment.uri)

    async def ConfirmTotp(self, request: pb.ConfirmTotpRequest, context: Any) -> pb.ConfirmTotpResponse:
        """Turns the second factor on."""
        codes = await self.confirm_totp(
            code=request.code, caller=current_caller(), idempotency=current_idempotency()
        )
        return pb.ConfirmTotpResponse(recovery_codes=codes)

    async def RemoveTotp(self, request: pb.RemoveTotpRequest, context: Any) -> Empty:
        """Turns the second factor off."""
        await self.remove_totp(password=request.password, caller=current_caller())
        return Empty()

    async def VerifyMfa(self, request: pb.VerifyMfaRequest, context: Any) -> pb.VerifyMfaResponse:
        """Finishes a sign-in."""
        issued = await self.verify_mfa(
            mfa_token=request.mfa_token,
            code=request.code,
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        return pb.VerifyMfaResponse(tokens=messages.tokens(issued), device=issued.device)
