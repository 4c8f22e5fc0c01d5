"""`vestibule.auth.v1.MfaService`: the second factor."""

from typing import Any

from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import mfa_service_pb2 as pb
from vestibule.auth.v1.mfa_service_pb2_grpc import MfaServiceServicer

from auth_service.transport import messages
from auth_service.transport.qr_code import qr_code
from auth_service.usecases.mfa_login import VerifyMfa
from auth_service.usecases.ports import Ports
from auth_service.usecases.second_factor import BeginTotp, ConfirmTotp, GetMfa, RemoveTotp


class MfaServicer(MfaServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        units, secrets, clock = ports.units, ports.second_factors, ports.clock
        self.get_mfa = GetMfa(units)
        self.begin_totp = BeginTotp(units, secrets, ports.address_rule)
        self.confirm_totp = ConfirmTotp(units, secrets, ports.address_rule, clock)
        self.remove_totp = RemoveTotp(units, ports.verify_password, ports.rights_of, clock)
        self.verify_mfa = VerifyMfa(
            units, secrets, ports.throttle_keys, ports.check_code, ports.issue_first_tokens, clock
        )

    async def GetMfa(self, request: pb.GetMfaRequest, context: Any) -> pb.GetMfaResponse:
        """Says whether the second factor is on."""
        left = await self.get_mfa(caller=current_caller())
        return pb.GetMfaResponse(totp=left is not None, recovery_codes_left=left)

    async def BeginTotp(self, request: pb.BeginTotpRequest, context: Any) -> pb.BeginTotpResponse:
        """Makes a secret."""
        enrolment = await self.begin_totp(caller=current_caller())
        return pb.BeginTotpResponse(
            secret=enrolment.secret, otpauth_uri=enrolment.uri, qr_code=qr_code(enrolment.uri)
        )

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
        cookie = messages.refresh_cookie(issued, request)
        return pb.VerifyMfaResponse(
            tokens=messages.tokens(issued, cookie), device=issued.device, refresh_cookie=cookie
        )
