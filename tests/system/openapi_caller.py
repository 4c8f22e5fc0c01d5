"""Credentials for schemathesis, which loads this module: a new user whenever a call has ended the last one.

The calls are taken from what the system has answered, so they sign their own caller out, take the
role away and delete the user. Whatever came after that would be refused at the door.
"""

import os
from typing import Any

import schemathesis
from schemathesis import AuthContext, Case, HookContext

from tests.system.client import Client, User

URL, ROLE = "OPENAPI_URL", "OPENAPI_ROLE"
OPERATOR = "OPENAPI_OPERATOR"
"""Names of the variables that say where the gateway is, what the caller is to be (`admin` or
`user`), and the id, address and password of the admin who makes admins."""


@schemathesis.auth()
class Newcomer:
    """Authenticates as a user who has just registered."""

    def get(self, case: Case[Any], context: AuthContext) -> str:
        """Returns a valid token; called again after each 401."""
        with Client(os.environ[URL]) as client:
            user = client.register()
            if os.environ[ROLE] == "admin":
                promoted = client.put(
                    f"/api/users/{user.id}", token=_operator(client), json={"role": "admin"}
                )
                assert promoted.outcome == (200, None), promoted.text
            return client.sign_in(user).access_token

    def set(self, case: Case[Any], data: str, context: AuthContext) -> None:
        """Puts the token into a call."""
        case.headers["Authorization"] = f"Bearer {data}"


def _operator(client: Client) -> str:
    user_id, email, password = os.environ[OPERATOR].split(" ")
    return client.sign_in(User(user_id, email, password, "")).access_token


@schemathesis.hook
def filter_case(context: HookContext, case: Any) -> bool:
    """Skips calls against the admin on whom the other tests depend."""
    return os.environ[OPERATOR].split(" ")[0] not in (case.path_parameters or {}).values()
