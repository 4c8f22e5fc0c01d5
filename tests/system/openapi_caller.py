"""Who makes schemathesis' calls, loaded by it: somebody new whenever a call has ended the one before.

The calls are taken from what the house has answered, so they sign their own caller out, take the
role away and delete the person. Whatever came after that would be refused at the door.
"""

import os
from typing import Any

import schemathesis
from schemathesis import AuthContext, Case, HookContext

from tests.system.edge import Edge, Person

URL, ROLE = "OPENAPI_URL", "OPENAPI_ROLE"
OPERATOR = "OPENAPI_OPERATOR"
"""Names of the variables that say where the gateway is, what the caller is to be (`admin` or
`user`), and the id, address and password of the admin who makes admins."""


@schemathesis.auth()
class Newcomer:
    """Bears the token of somebody who has just joined."""

    def get(self, case: Case[Any], context: AuthContext) -> str:
        """Returns a token that is good; asked again after each 401."""
        with Edge(os.environ[URL]) as edge:
            person = edge.register()
            if os.environ[ROLE] == "admin":
                promoted = edge.put(f"/api/users/{person.id}", token=_operator(edge), json={"role": "admin"})
                assert promoted.outcome == (200, None), promoted.text
            return edge.sign_in(person).access_token

    def set(self, case: Case[Any], data: str, context: AuthContext) -> None:
        """Puts the token into a call."""
        case.headers["Authorization"] = f"Bearer {data}"


def _operator(edge: Edge) -> str:
    user_id, email, password = os.environ[OPERATOR].split(" ")
    return edge.sign_in(Person(user_id, email, password, "")).access_token


@schemathesis.hook
def filter_case(context: HookContext, case: Any) -> bool:
    """Spares the admin on whom the other tests depend."""
    return os.environ[OPERATOR].split(" ")[0] not in (case.path_parameters or {}).values()
