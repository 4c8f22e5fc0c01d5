"""A person over gRPC by Starlette and `grpc.aio`, as one would write it by hand, with nothing around it.

No limit, no look at the token, no revocation, no metrics, no log, no trace, no request id, no envelope.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
from chassis.grpc.call import SERVICE_IDENTITY_KEY
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from vestibule.users.v1.user_service_pb2 import GetUserRequest
from vestibule.users.v1.user_service_pb2_grpc import UserServiceStub

from bench import proof


async def get_user(request: Request) -> JSONResponse:
    """Hands the token on and the answer back."""
    gateway = (SERVICE_IDENTITY_KEY, request.app.state.tokens.mint(proof.USERS))
    response = await request.app.state.users.GetUser(
        GetUserRequest(user_id=request.path_params["user_id"]),
        metadata=(("authorization", request.headers["authorization"]), gateway),
        timeout=5,
    )
    return JSONResponse(MessageToDict(response.user, preserving_proto_field_name=True))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Keeps a channel open, and the key by which user-service takes it for the gateway."""
    app.state.tokens = proof.tokens(Path(os.environ["SERVICE_KEY_FILE"]))
    async with grpc.aio.insecure_channel(os.environ["USERS_ADDRESS"]) as channel:
        app.state.users = UserServiceStub(channel)
        yield


app = Starlette(routes=[Route("/api/users/{user_id}", get_user)], lifespan=lifespan)
