"""Recognises admins by introspecting each token with auth-service; rarely needed, so nothing is cached."""

from chassis.auth_client.client import AuthClient
from chassis.identity.api_key import is_api_key
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from chassis.identity.keys import KeyCache
from chassis.identity.verifier import TokenVerifier


class IntrospectingAuthenticator:
    """Verifies a token, and introspects it.

    Args:
        client: The client of auth-service.
        issuer: The `iss` of valid tokens.
        audience: Their `aud`.
    """

    def __init__(self, client: AuthClient, *, issuer: str, audience: str) -> None:
        self._client = client
        self._verifier = TokenVerifier(KeyCache(client.keys), issuer=issuer, audience=audience)

    async def authenticate(self, token: str) -> Claims:
        """Returns the token's claims.

        Raises:
            TokenInvalid: it was not issued by auth-service.
            TokenExpired: it has expired.
            TokenRevoked: it was revoked.
            Unavailable: auth-service cannot be reached.
        """
        if is_api_key(token):
            claims, _ = await self._client.introspect_key(token)
            return claims
        claims = await self._verifier.verify(token)
        await self._client.introspect(token)
        return claims

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Does nothing: no method here requires a token, so none refuses an API key."""
