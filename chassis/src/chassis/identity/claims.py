"""The claims of a verified token, and the port that authenticates tokens."""

from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.errors import TokenInvalid
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import unix_milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The content of a token that has been verified.

    Attributes:
        user_id: The token's user (`sub`).
        role: The user's role.
        session_id: The session it belongs to (`sid`); None for an API key.
        token_id: The token's id (`jti`).
        expires_at: Unix time of expiry in seconds (`exp`).
        issued_at_milliseconds: Unix time of issue, which revocations compare.
        scopes: Its scopes (`read`, `write`, `admin`); None if not limited.
        must_enrol: Whether it may only be used to enrol a second factor.
        auth_time: Unix time in seconds of the user's last authentication; 0 if unknown, as for API keys
            and tokens of the previous release.
    """

    user_id: UUID
    role: Role
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
        role: Role,
        session_id: UUID,
        token_id: UUID,
        expires_at: float,
        must_enrol: bool = False,
        auth_time: int = 0,
    ) -> "Claims":
        """Returns the claims of a JWT, whose `jti` contains the time of issue."""
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
    """Authenticates bearer tokens: access tokens and API keys."""

    async def authenticate(self, token: str) -> Claims:
        """Returns the token's claims.

        Raises:
            TokenInvalid: the token is malformed or was not issued by auth-service.
            TokenExpired: the token has expired.
            TokenRevoked: the token is revoked.
            Unavailable: the token cannot be checked now.
        """
        ...

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Audits that an API key was refused a method.

        Args:
            claims: The key's claims.
            method: The gRPC method's path.
            sender: The client that sent the key.
        """
        ...


class NoAuthenticator:
    """Refuses every token: for a service that serves the public and other services only."""

    async def authenticate(self, token: str) -> Claims:
        """Refuses.

        Raises:
            TokenInvalid: always.
        """
        del token
        raise TokenInvalid

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Does nothing: there are no claims."""
