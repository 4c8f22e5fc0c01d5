"""A person over gRPC by Starlette and `grpc.aio`, as one would write it by hand, with nothing around it.

No limit, no look at the token, no revocation, no metrics, no log, no trace, no request id, no envelope.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from vestibule.users.v1.user_service_pb2 import GetUserRequest
from vestibule.users.v1.user_service_pb2_grpc import UserServiceStub


async def get_user(request: Request) -> JSONResponse:
    """Hands the token on and the answer back."""
    response = await request.app.state.users.GetUser(
        GetUserRequest(user_id=request.path_params["user_id"]),
        metadata=(("authorization", request.headers["authorization"]),),
        timeout=5,
    )
    return JSONResponse(MessageToDict(response.user, preserving_proto_field_name=True))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Keeps a channel open."""
    async with grpc.aio.insecure_channel(os.environ["USERS_ADDRESS"]) as channel:
        app.state.users = UserServiceStub(channel)
        yield


app = Starlette(routes=[Route("/api/users/{user_id}", get_user)], lifespan=lifespan)
