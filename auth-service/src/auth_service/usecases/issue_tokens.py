"""One step of several use cases: the tokens of a session, as it stands."""

from dataclasses import dataclass

from auth_service.domain.ports import RefreshTokens, TokenSigner
from auth_service.domain.rights import RightsRule
from auth_service.domain.session import STANDARD, RefreshToken, SessionLimits, Standing
from auth_service.domain.tokens import AccessGrant, Tokens


@dataclass(frozen=True, slots=True)
class IssueTokens:
    """Signs an access token and writes the newest refresh token."""

    signer: TokenSigner
    refresh_tokens: RefreshTokens
    rights_of: RightsRule
    limits: SessionLimits = STANDARD

    def __call__(self, standing: Standing) -> Tokens:
        """Returns the tokens.

        Raises:
            Unavailable: there is no signing key yet.
        """
        session = standing.session
        rights = self.rights_of(standing.role, guarded=standing.guarded)
        grant = AccessGrant(
            user_id=session.user_id,
            session_id=session.id,
            role=rights.role,
            at=standing.at,
            lifetime=self.limits.access,
            must_enrol=rights.must_enrol,
            auth_time=session.auth_time,
            amr=session.amr,
        )
        newest = RefreshToken(session_id=session.id, counter=session.counter)
        return Tokens(
            access_token=self.signer.sign(grant),
            refresh_token=self.refresh_tokens.write(newest),
            expires_in_seconds=int(self.limits.access.total_seconds()),
            refresh_expires_in_seconds=int((session.expires_at - standing.at).total_seconds()),
            role=standing.role,
        )
