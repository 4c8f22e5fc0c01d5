"""`vestibule.auth.v1.ApiKeyService`: how machines act for the caller."""

from typing import Any
from uuid import UUID

from chassis.grpc.paging import cut
from chassis.grpc.timestamps import requested_time, timestamp
from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.auth.v1 import api_key_service_pb2 as pb
from vestibule.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceServicer

from auth_service.domain.api_key import ApiKey
from auth_service.usecases.api_keys import CreateApiKey, ListApiKeys, RevokeApiKey
from auth_service.usecases.ports import Ports


class ApiKeyServicer(ApiKeyServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        self.create_api_key = CreateApiKey(
            ports.units, ports.api_key_secrets, ports.address_rule, ports.clock
        )
        self.list_api_keys = ListApiKeys(ports.units)
        self.revoke_api_key = RevokeApiKey(ports.units, ports.clock)

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Any) -> pb.CreateApiKeyResponse:
        """Makes a key."""
        key, text = await self.create_api_key(
            name=request.name,
            scopes=request.scopes,
            expires_at=(
                requested_time(request.expires_at, "expires_at") if request.HasField("expires_at") else None
            ),
            caller=current_caller(),
            idempotency=current_idempotency(),
        )
        return pb.CreateApiKeyResponse(
            id=str(key.id),
            name=key.name,
            scopes=key.scopes,
            prefix=key.prefix,
            created_at=timestamp(key.created_at),
            expires_at=timestamp(key.expires_at),
            key=text,
        )

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Any) -> pb.ListApiKeysResponse:
        """Lists the caller's keys."""
        keys = await self.list_api_keys(caller=current_caller())
        shown, pagination = cut(request, keys, lambda key: key.id)
        return pb.ListApiKeysResponse(api_keys=[_message(key) for key in shown], pagination=pagination)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Any) -> Empty:
        """Revokes one of the caller's keys."""
        await self.revoke_api_key(key_id=UUID(request.key_id), caller=current_caller())
        return Empty()


def _message(key: ApiKey) -> pb.ApiKey:
    return pb.ApiKey(
        id=str(key.id),
        name=key.name,
        scopes=key.scopes,
        prefix=key.prefix,
        created_at=timestamp(key.created_at),
        expires_at=timestamp(key.expires_at),
        last_used_at=timestamp(key.last_used_at),
    )
