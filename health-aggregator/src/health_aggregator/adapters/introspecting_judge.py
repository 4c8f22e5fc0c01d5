"""Recognises admins by asking auth-service about each token: seldom needed here, so never kept in memory."""

from chassis.errors import TokenInvalid
from chassis.identity.api_key import is_api_key
from chassis.identity.authority import Authority
from chassis.identity.caller import Caller
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
        if is_api_key(token):
            claims, _ = await self._authority.introspect_key(token)
            return claims
        claims = await self._verifier.verify(token)
        await self._authority.introspect(token)
        return claims

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Does nothing: no method here asks for a token, so none refuses a key."""


class NoJudge:
    """Knows nobody: without auth-service's address, no caller is an admin."""

    async def judge(self, token: str) -> Claims:
        """Refuses.

        Raises:
            TokenInvalid: always.
        """
        del token
        raise TokenInvalid

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Does nothing: there are no claims."""
