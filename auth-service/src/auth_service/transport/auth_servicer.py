"""`vestibule.auth.v1.AuthService`: signing up, in and out."""

from typing import Any

from chassis.errors import Invalid, Unauthenticated
from chassis.grpc.value_checks import REQUIRED
from chassis.idempotency.interceptor import current_idempotency, store_no_response
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from vestibule.auth.v1 import auth_service_pb2 as pb
from vestibule.auth.v1.auth_service_pb2_grpc import AuthServiceServicer

from auth_service.domain.second_factor import Challenge
from auth_service.transport import messages
from auth_service.usecases.login import Login
from auth_service.usecases.passwords import ChangePassword
from auth_service.usecases.ports import Ports
from auth_service.usecases.reauthentication import Reauthenticate
from auth_service.usecases.refresh import Refresh
from auth_service.usecases.registration import Register
from auth_service.usecases.sessions import Logout, LogoutAll


class AuthServicer(AuthServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        units, hasher, clock = ports.units, ports.hasher, ports.clock
        self.register = Register(units, ports.password_policy, hasher, ports.finish_registration, clock)
        self.login = Login(
            units=units,
            throttle_keys=ports.throttle_keys,
            device_tokens=ports.device_tokens,
            check_password=ports.check_password,
            issue_tokens=ports.issue_tokens,
            hasher=hasher,
            directory=ports.directory,
            secrets=ports.second_factors,
            record_device=ports.record_device,
            clock=clock,
            after_response=ports.after_response,
        )
        self.reauthenticate = Reauthenticate(
            units, ports.verify_password, ports.check_code, ports.check_assertion, ports.issue_tokens, clock
        )
        self.refresh = Refresh(units, ports.refresh_tokens, ports.issue_tokens, ports.limits)
        self.logout = Logout(units, clock)
        self.logout_all = LogoutAll(units, clock)
        self.change_password = ChangePassword(
            units, ports.verify_password, ports.password_policy, hasher, ports.directory, clock
        )

    async def Register(self, request: pb.RegisterRequest, context: Any) -> pb.RegisterResponse:
        """Registers a user."""
        idempotency = current_idempotency()
        user = await self.register(
            email=request.email,
            password=request.password,
            full_name=request.full_name,
            caller=current_caller(),
            user_id=None if idempotency is None else idempotency.attempt_id,
        )
        return pb.RegisterResponse(user=messages.user(user))

    async def Login(self, request: pb.LoginRequest, context: Any) -> pb.LoginResponse:
        """Signs a user in."""
        issued = await self.login(
            email=request.email,
            password=request.password,
            device=request.device,
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        if isinstance(issued, Challenge):
            store_no_response()
            return pb.LoginResponse(
                mfa=pb.MfaChallenge(mfa_required=True, mfa_token=issued.token, methods=issued.methods)
            )
        cookie = messages.refresh_cookie(issued, request)
        return pb.LoginResponse(
            tokens=messages.tokens(issued, cookie), device=issued.device, refresh_cookie=cookie
        )

    async def Reauthenticate(
        self, request: pb.ReauthenticateRequest, context: Any
    ) -> pb.ReauthenticateResponse:
        """Renews the proof of who the caller is."""
        issued = await self.reauthenticate(
            password=request.password if request.HasField("password") else None,
            code=request.code if request.HasField("code") else None,
            assertion=MessageToDict(request.credential) if request.HasField("credential") else None,
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        return pb.ReauthenticateResponse(
            access_token=issued.access_token,
            token_type="bearer",  # noqa: S106 a kind of token, not one
            expires_in=issued.expires_in_seconds,
        )

    async def Refresh(self, request: pb.RefreshRequest, context: Any) -> pb.RefreshResponse:
        """Exchanges a refresh token."""
        issued = await self.refresh(
            refresh_token=_refresh_token(request),
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        cookie = messages.refresh_cookie(issued, request)
        return pb.RefreshResponse(tokens=messages.tokens(issued, cookie), refresh_cookie=cookie)

    async def Logout(self, request: pb.LogoutRequest, context: Any) -> Empty:
        """Ends the caller's session."""
        await self.logout(caller=current_caller())
        return Empty()

    async def LogoutAll(self, request: pb.LogoutAllRequest, context: Any) -> Empty:
        """Ends every session of the caller."""
        await self.logout_all(caller=current_caller())
        return Empty()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Any) -> Empty:
        """Changes the caller's password."""
        await self.change_password(
            old_password=request.old_password, new_password=request.new_password, caller=current_caller()
        )
        return Empty()


def _refresh_token(request: pb.RefreshRequest) -> str:
    """Returns the token to exchange. The cookie counts only for a page that asks for it to.

    Raises:
        Unauthenticated: the browser has no such cookie.
        Invalid: a program sent no token.
    """
    if request.refresh_token_in:
        if not request.refresh_cookie:
            raise Unauthenticated
        return request.refresh_cookie
    if not request.refresh_token:
        raise Invalid.on("refresh_token", REQUIRED)
    return request.refresh_token
