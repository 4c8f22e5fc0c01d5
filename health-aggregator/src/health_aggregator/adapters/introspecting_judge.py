"""Recognises admins by asking auth-service about each token: seldom needed here, so never kept in memory."""

from chassis.errors import TokenInvalid
from chassis.identity.authority import Authority
from chassis.identity.claims import Claims
from chassis.identity.keys import KeyCache
from chassis.identity.verifier import TokenVerifier


class IntrospectingJudge:
    """Verifies a token and asks whether it is still good.

    Args:
        authority: The client of auth-service.
        issuer: The `iss` of good tokens.
        audience: Their `aud`.
    """

    def __init__(self, authority: Authority, *, issuer: str, audience: str) -> None:
        self._authority = authority
        self._verifier = TokenVerifier(KeyCache(authority.keys), issuer=issuer, audience=audience)

    async def judge(self, token: str) -> Claims:
        """Returns the token's claims.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: auth-service cannot be reached.
        """
        claims = await self._verifier.verify(token)
        await self._authority.introspect(token)
        return claims


class NoJudge:
    """Knows nobody: without auth-service's address, no caller is an admin."""

    async def judge(self, token: str) -> Claims:
        """Refuses.

        Raises:
            TokenInvalid: always.
        """
        del token
        raise TokenInvalid
