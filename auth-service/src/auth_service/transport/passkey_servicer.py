"""`vestibule.auth.v1.PasskeyService`: passkeys, and signing in with them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.grpc.paging import cut
from chassis.grpc.timestamps import timestamp
from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from vestibule.auth.v1 import passkey_service_pb2 as pb
from vestibule.auth.v1.passkey_service_pb2_grpc import PasskeyServiceServicer

from auth_service.domain.passkey import Passkey
from auth_service.transport import messages
from auth_service.usecases.passkey_login import BeginPasskeyLogin, LoginWithPasskey
from auth_service.usecases.passkeys import AddPasskey, BeginPasskey, ListPasskeys, RemovePasskey
from auth_service.usecases.ports import Ports


class PasskeyServicer(PasskeyServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        units, party, clock = ports.units, ports.relying_party, ports.clock
        self.begin_passkey = BeginPasskey(units, party, ports.verify_password, ports.address_rule)
        self.add_passkey = AddPasskey(units, party, ports.address_rule, clock)
        self.list_passkeys = ListPasskeys(units)
        self.remove_passkey = RemovePasskey(units, ports.verify_password, ports.rights_of, clock)
        self.begin_passkey_login = BeginPasskeyLogin(units, party)
        self.login_with_passkey = LoginWithPasskey(
            units, ports.check_assertion, ports.throttle_keys, ports.issue_first_tokens, clock
        )

    async def BeginPasskey(self, request: pb.BeginPasskeyRequest, context: Any) -> pb.BeginPasskeyResponse:
        """Begins to add a passkey."""
        options = await self.begin_passkey(password=request.password, caller=current_caller())
        return pb.BeginPasskeyResponse(public_key=_struct(options))

    async def AddPasskey(self, request: pb.AddPasskeyRequest, context: Any) -> pb.AddPasskeyResponse:
        """Adds a passkey."""
        passkey = await self.add_passkey(
            name=request.name,
            attestation=MessageToDict(request.credential),
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        return pb.AddPasskeyResponse(passkey=_shown(passkey))

    async def ListPasskeys(self, request: pb.ListPasskeysRequest, context: Any) -> pb.ListPasskeysResponse:
        """Lists the caller's passkeys."""
        passkeys = await self.list_passkeys(caller=current_caller())
        shown, pagination = cut(request, passkeys, lambda passkey: passkey.id, newest_first=False)
        return pb.ListPasskeysResponse(passkeys=[_shown(each) for each in shown], pagination=pagination)

    async def RemovePasskey(self, request: pb.RemovePasskeyRequest, context: Any) -> Empty:
        """Removes a passkey."""
        await self.remove_passkey(
            passkey_id=UUID(request.passkey_id), password=request.password, caller=current_caller()
        )
        return Empty()

    async def BeginPasskeyLogin(
        self, request: pb.BeginPasskeyLoginRequest, context: Any
    ) -> pb.BeginPasskeyLoginResponse:
        """Begins to sign a user in."""
        return pb.BeginPasskeyLoginResponse(public_key=_struct(await self.begin_passkey_login()))

    async def LoginWithPasskey(
        self, request: pb.LoginWithPasskeyRequest, context: Any
    ) -> pb.LoginWithPasskeyResponse:
        """Signs a user in."""
        issued = await self.login_with_passkey(
            assertion=MessageToDict(request.credential),
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        cookie = messages.refresh_cookie(issued, request)
        return pb.LoginWithPasskeyResponse(
            tokens=messages.tokens(issued, cookie), device=issued.device, refresh_cookie=cookie
        )


def _struct(values: Mapping[str, Any]) -> Struct:
    struct = Struct()
    struct.update(values)
    return struct


def _shown(passkey: Passkey) -> pb.Passkey:
    last_used_at = passkey.last_used_at
    return pb.Passkey(
        id=str(passkey.id),
        name=passkey.name,
        backed_up=passkey.is_backed_up,
        created_at=timestamp(passkey.created_at),
        last_used_at=timestamp(last_used_at),
    )
