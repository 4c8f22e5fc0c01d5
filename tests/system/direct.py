"""Calls of services without the gateway, as the gateway makes them."""

from typing import Any

import grpc
from chassis.grpc.call import SERVICE_IDENTITY_KEY
from chassis.grpc.errors import DETAILS_KEY
from google.rpc import error_details_pb2, status_pb2
from vestibule.auth.v1 import auth_service_pb2
from vestibule.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from tests.system.running_system import System


def metadata(system: System, service: str, token: str) -> tuple[tuple[str, str], ...]:
    """Returns what a call needs that the gateway makes of a service for a user."""
    identity = system.service_token("gateway", service)
    return (("authorization", f"Bearer {token}"), (SERVICE_IDENTITY_KEY, identity))


def sign_out(system: System, token: str) -> None:
    """Signs a user out at auth-service, so that other processes hear of it by the stream alone."""
    channel: Any
    with grpc.insecure_channel(system.grpc("auth-service")) as channel:
        call: Any = AuthServiceStub(channel).Logout
        call(auth_service_pb2.LogoutRequest(), metadata=metadata(system, "auth-service", token), timeout=10)


def reason(refused: grpc.RpcError) -> str:
    """Returns the reason of a refusal."""
    error: Any = refused
    (details,) = (value for key, value in error.trailing_metadata() if key == DETAILS_KEY)
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return str(info.reason)
