"""`vestibule.auth.v1.KeyService`: the public half of the signing keys."""

from typing import Any

from vestibule.auth.v1 import key_service_pb2 as pb
from vestibule.auth.v1.key_service_pb2_grpc import KeyServiceServicer

from auth_service.transport import messages
from auth_service.usecases.openid_configuration import GetOpenidConfiguration
from auth_service.usecases.ports import Ports
from auth_service.usecases.signing_keys import GetJwks


class KeyServicer(KeyServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        self.get_jwks = GetJwks(ports.published_keys)
        self.get_openid_configuration = GetOpenidConfiguration(ports.issuer)

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> pb.GetJwksResponse:
        """Returns the keys that verify tokens."""
        return pb.GetJwksResponse(keys=[messages.json_web_key(key) for key in await self.get_jwks()])

    async def GetOpenidConfiguration(
        self, request: pb.GetOpenidConfigurationRequest, context: Any
    ) -> pb.GetOpenidConfigurationResponse:
        """Returns the issuer's metadata."""
        metadata = await self.get_openid_configuration()
        return pb.GetOpenidConfigurationResponse(
            issuer=metadata.issuer,
            jwks_uri=metadata.jwks_uri,
            id_token_signing_alg_values_supported=metadata.signing_algorithms,
            subject_types_supported=metadata.subject_types,
            response_types_supported=metadata.response_types,
            claims_supported=metadata.claims,
        )
