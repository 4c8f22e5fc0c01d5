"""The caller, which transports pass to use cases.

This module does not import gRPC, so that domains and use cases may import it.
"""

from contextvars import ContextVar
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.errors import Unauthenticated
from chassis.identity.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated user and service of a call.

    Attributes:
        user_id: The user; None if not authenticated.
        role: The user's role; None if not authenticated.
        session_id: The user's session; None for API keys or if not authenticated.
        token_id: The token's id; None if not authenticated.
        scopes: The API key's scopes (`read`, `write`, `admin`); None if not limited.
        service: The calling service, proven by its service token.
        client_address: The IP address of the gateway's client; the peer's if no service reports one.
        user_agent: The client's User-Agent; empty when unknown.
        accept_language: The client's Accept-Language; empty when unknown.
        request_id: The request's id, in every log.
    """

    user_id: UUID | None = None
    role: Role | None = None
    session_id: UUID | None = None
    token_id: UUID | None = None
    scopes: frozenset[str] | None = None
    service: str | None = None
    client_address: str = ""
    user_agent: str = ""
    accept_language: str = ""
    request_id: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether the caller is an admin."""
        return self.role is Role.ADMIN

    def require_user_id(self) -> UUID:
        """Returns the user's id.

        Raises:
            Unauthenticated: the caller is not authenticated.
        """
        if self.user_id is None:
            raise Unauthenticated
        return self.user_id


ANONYMOUS = Caller()
_caller: ContextVar[Caller] = ContextVar("caller", default=ANONYMOUS)


def current_caller() -> Caller:
    """Returns who made the call being handled; `ANONYMOUS` outside of calls."""
    return _caller.get()


def set_current_caller(caller: Caller) -> None:
    """Sets the caller for the rest of this task; called by transports once per call."""
    _caller.set(caller)
