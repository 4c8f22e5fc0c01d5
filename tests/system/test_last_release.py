"""During an upgrade from the last release, services know the secret that its services share."""

import time
from typing import Any

import grpc
import jwt
import pytest
from chassis.grpc.call import SHARED_TOKEN_KEY
from vestibule.users.v1 import user_service_pb2
from vestibule.users.v1.user_service_pb2_grpc import UserServiceStub

from tests.system import direct
from tests.system.client import Client
from tests.system.running_system import System

SHARED_KEY = "n0tqQmBf3xkVw7YcR5sHzJ2aLpG8eDu9"


def me(system: System, token: str, secret: str) -> Any:
    """Calls user-service as a gateway of the last release does; returns the answer."""
    now = int(time.time())
    claims = {"iss": "gateway", "aud": "vestibule", "iat": now, "exp": now + 60}
    identity = jwt.encode(claims, secret, "HS256")
    metadata = (("authorization", f"Bearer {token}"), (SHARED_TOKEN_KEY, identity))
    channel: Any
    with grpc.insecure_channel(system.grpc("user-service")) as channel:
        call: Any = UserServiceStub(channel).GetMe
        return call(user_service_pb2.GetMeRequest(), metadata=metadata, timeout=10)


def test_services_of_both_releases_call_each_other(client: Client, system: System) -> None:
    """A service accepts calls that the shared secret signs, and signs its own by it as well."""
    user = client.join()
    with system.changed("user-service", SERVICE_KEY=SHARED_KEY):
        assert me(system, user.access_token, SHARED_KEY).user.id == user.id
        with pytest.raises(grpc.RpcError) as refused:
            me(system, user.access_token, SHARED_KEY.swapcase())
        assert direct.reason(refused.value) == "FORBIDDEN"
        with system.gateway(SERVICE_KEY=SHARED_KEY) as url, Client(url) as gateway:
            assert gateway.who(user.access_token).status == 200
    with pytest.raises(grpc.RpcError) as refused:
        me(system, user.access_token, SHARED_KEY)
    assert direct.reason(refused.value) == "FORBIDDEN"
