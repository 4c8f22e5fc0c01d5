"""A servicer over `grpc.aio` and asyncpg, as one would write it by hand, with nothing around it.

It runs user-service's statement. No token, no policy, no field rules, no metrics, no trace, no use case; and
asyncpg's pool asks Postgres nothing when a connection comes back, which it does by default.
`python -m bench.bare_servicer ADDRESS`, with the database in `POSTGRES_URL`.
"""

import os
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import grpc.aio
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from user_service.adapters.postgres.user_row import COLUMNS
from vestibule.users.v1.user_pb2 import ROLE_ADMIN, ROLE_USER, User
from vestibule.users.v1.user_service_pb2 import GetUserRequest, GetUserResponse

SERVICE = "vestibule.users.v1.UserService"
STATEMENT = f"SELECT {COLUMNS} FROM users.users WHERE id = $1"


class Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection that is not reset, as user-service's are not."""

    def get_reset_query(self) -> str:
        """Returns nothing to run."""
        return ""


def get_user(pool: asyncpg.Pool) -> Any:
    """Returns the method's handler."""

    async def answer(request: GetUserRequest, context: Any) -> GetUserResponse:
        del context
        row = await pool.fetchrow(STATEMENT, UUID(request.user_id))
        user = User(
            id=str(row["id"]),
            email=row["email"],
            full_name=row["full_name"],
            role=ROLE_ADMIN if row["role"] == "admin" else ROLE_USER,
            is_active=row["is_active"],
            email_verified=row["email_verified"],
            created_at=_timestamp(row["created_at"]),
            updated_at=_timestamp(row["updated_at"]),
            last_login_at=_timestamp(row["last_login_at"]),
            etag=f'"{row["version"]}"',
            pending_email=row["pending_email"],
        )
        return GetUserResponse(user=user)

    return grpc.unary_unary_rpc_method_handler(
        answer, GetUserRequest.FromString, GetUserResponse.SerializeToString
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


async def serve(address: str, postgres_url: str) -> None:
    """Serves until killed."""
    async with asyncpg.create_pool(postgres_url, min_size=1, connection_class=Connection) as pool:
        server = grpc.aio.server()
        methods = {"GetUser": get_user(pool)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        server.add_insecure_port(address)
        await server.start()
        await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], os.environ["POSTGRES_URL"]))
