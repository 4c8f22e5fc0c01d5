"""auth-service's own authenticator of bearer tokens: its keys from memory, the rest from Postgres."""

import math
from collections.abc import Mapping

from chassis.errors import TokenRevoked, Unavailable
from chassis.identity.api_key import is_api_key
from chassis.identity.caller import ANONYMOUS, Caller
from chassis.identity.claims import Claims
from chassis.identity.keys import Fetch, KeyCache
from chassis.identity.verifier import TokenVerifier
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from auth_service.adapters.key_ring import KeyRing
from auth_service.domain.api_key import KeyHolder
from auth_service.domain.tokens import from_unix_milliseconds, unix_milliseconds
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.usecases.api_keys import ReportRefusedKey, VerifyApiKey

_CACHED_TOKENS_MAX = 500
"""A token comes here for few calls, each of which asks Postgres: verifying one again costs little besides."""


class LocalAuthenticator:
    """Asks Postgres about every token, so that here a revocation counts from its commit on.

    Attributes:
        keys: The published keys; run it beside the server.
    """

    def __init__(
        self,
        ring: KeyRing,
        units: UnitsOfWork,
        verify_api_key: VerifyApiKey,
        report_refused_key: ReportRefusedKey,
        *,
        issuer: str,
        audience: str,
    ) -> None:
        self.keys = KeyCache(_source(ring), cooldown_seconds=1.0)
        self._verifier = TokenVerifier(
            self.keys, issuer=issuer, audience=audience, entries_max=_CACHED_TOKENS_MAX
        )
        self._units = units
        self._verify_api_key = verify_api_key
        self._report_refused_key = report_refused_key

    async def authenticate(self, token: str) -> Claims:
        """Returns the token's claims.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: Postgres is away.
        """
        if is_api_key(token):
            return _key_claims(await self._verify_api_key(text=token, caller=ANONYMOUS))
        claims = await self._verifier.verify(token)
        if claims.session_id is None:
            raise TokenRevoked
        issued_at = from_unix_milliseconds(claims.issued_at_milliseconds)
        async with self._units.statements() as unit:
            if not await unit.sessions.allows(claims.session_id, claims.user_id, issued_at):
                raise TokenRevoked
        return claims

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Audits that an API key was refused a method."""
        await self._report_refused_key(key_id=claims.token_id, method=method, caller=sender)


def _key_claims(holder: KeyHolder) -> Claims:
    key = holder.key
    return Claims(
        user_id=key.user_id,
        role=holder.role,
        session_id=None,
        token_id=key.id,
        expires_at=math.inf if key.expires_at is None else key.expires_at.timestamp(),
        issued_at_milliseconds=unix_milliseconds(holder.read_at),
        scopes=frozenset(key.scopes),
        must_enrol=holder.must_enrol,
    )


def _source(ring: KeyRing) -> Fetch:
    async def fetch() -> Mapping[str, EllipticCurvePublicKey]:
        keys = ring.verifying()
        if not keys:
            raise Unavailable
        return keys

    return fetch
