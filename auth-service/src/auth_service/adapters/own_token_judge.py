"""auth-service's own judge of access tokens: its keys from memory, the rest from Postgres."""

from collections.abc import Mapping

from chassis.errors import TokenRevoked, Unavailable
from chassis.identity.claims import Claims
from chassis.identity.keys import Fetch, KeyCache
from chassis.identity.verifier import TokenVerifier
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from auth_service.adapters.key_ring import KeyRing
from auth_service.domain.stores import Database
from auth_service.domain.tokens import from_unix_milliseconds


class OwnTokenJudge:
    """Asks Postgres about every token, so that here a revocation counts from its commit on.

    Attributes:
        keys: The published keys; run it beside the server.
    """

    def __init__(self, ring: KeyRing, database: Database, *, issuer: str, audience: str) -> None:
        self.keys = KeyCache(_source(ring), cooldown_seconds=1.0)
        self._verifier = TokenVerifier(self.keys, issuer=issuer, audience=audience)
        self._database = database

    async def judge(self, token: str) -> Claims:
        """Returns the token's claims.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: Postgres is away.
        """
        claims = await self._verifier.verify(token)
        if claims.session_id is None:
            raise TokenRevoked
        issued_at = from_unix_milliseconds(claims.issued_at_milliseconds)
        async with self._database.statements() as stores:
            if not await stores.sessions.allows(claims.session_id, claims.user_id, issued_at):
                raise TokenRevoked
        return claims


def _source(ring: KeyRing) -> Fetch:
    async def fetch() -> Mapping[str, EllipticCurvePublicKey]:
        keys = ring.verifying()
        if not keys:
            raise Unavailable
        return keys

    return fetch
