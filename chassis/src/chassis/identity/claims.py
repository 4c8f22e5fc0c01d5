"""What a good token says, and what an authenticator of tokens promises."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chassis.errors import TokenInvalid
from chassis.identity.caller import Caller
from chassis.ids import unix_milliseconds

ROLES = frozenset({"user", "admin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The content of a token that has been verified.

    Attributes:
        user_id: Whose token it is (`sub`).
        role: `user` or `admin`.
        session_id: The session it belongs to (`sid`); None for an API key.
        token_id: Names the token (`jti`).
        expires_at: Unix seconds after which it is no good (`exp`).
        issued_at_milliseconds: Unix time of issue, as revocations compare it.
        scopes: What it may do (`read`, `write`, `admin`); None when it is not limited.
        must_enrol: Whether it is good for nothing but setting up a second factor.
        auth_time: Unix seconds at which the user last proved who they are; 0 when the token does
            not say, as those of the release before and API keys.
    """

    user_id: UUID
    role: str
    session_id: UUID | None
    token_id: UUID
    expires_at: float
    issued_at_milliseconds: int
    scopes: frozenset[str] | None = None
    must_enrol: bool = False
    auth_time: int = 0

    @classmethod
    def of_access_token(
        cls,
        *,
        user_id: UUID,
        role: str,
        session_id: UUID,
        token_id: UUID,
        expires_at: float,
        must_enrol: bool = False,
        auth_time: int = 0,
    ) -> "Claims":
        """Returns the claims of a JWT, whose `jti` tells the time of issue."""
        return cls(
            user_id=user_id,
            role=role,
            session_id=session_id,
            token_id=token_id,
            expires_at=expires_at,
            issued_at_milliseconds=unix_milliseconds(token_id),
            must_enrol=must_enrol,
            auth_time=auth_time,
        )


class Authenticator(Protocol):
    """Decides whether a bearer token, an access token or an API key, is good now."""

    async def authenticate(self, token: str) -> Claims:
        """Returns the token's claims.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: nobody can tell just now.
        """
        ...

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Has it audited that an API key was refused a method.

        Args:
            claims: The key's.
            method: As gRPC names it.
            sender: Who sent the key, as far as that is known.
        """
        ...


class NoAuthenticator:
    """Refuses every token: for a service that serves the public and other services only."""

    async def authenticate(self, token: str) -> Claims:
        """Refuses.

        Raises:
            TokenInvalid: Always.
        """
        del token
        raise TokenInvalid

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Does nothing: there are no claims."""
