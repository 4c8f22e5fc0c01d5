"""Who is calling: what a transport passes to its use cases.

This module knows nothing of gRPC or tokens, so that domains and use cases may import it.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from chassis.errors import Unauthenticated


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The person and the service behind a call, as far as they have proved themselves.

    Attributes:
        user_id: The person; None when nobody is signed in.
        role: `user` or `admin`; None when nobody is signed in.
        session_id: Where the person is signed in; None for API keys and strangers.
        token_id: The access token's `jti`; None when nobody is signed in.
        scopes: What the token may do (`read`, `write`, `admin`); None when it is not limited.
        service: The service that made the call, proved by its service token.
        client_address: The IP address of the client at the edge; the peer's when no
            service vouches for another.
        user_agent: The client's User-Agent; empty when unknown.
        request_id: Names the request in every log.
    """

    user_id: UUID | None = None
    role: str | None = None
    session_id: UUID | None = None
    token_id: UUID | None = None
    scopes: frozenset[str] | None = None
    service: str | None = None
    client_address: str = ""
    user_agent: str = ""
    request_id: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether a signed-in admin calls."""
        return self.role == "admin"

    def person(self) -> UUID:
        """Returns the signed-in person's id.

        Raises:
            Unauthenticated: nobody is signed in.
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
    """Names the caller for the rest of this task: for transports, once a call."""
    _caller.set(caller)
