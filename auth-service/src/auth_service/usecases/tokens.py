"""Tokens: issuing, reissuing and introspecting them."""

from dataclasses import replace
from uuid import UUID

from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked
from chassis.identity.api_key import is_api_key
from chassis.identity.caller import Caller

from auth_service.domain.api_key import KeyHolder
from auth_service.domain.credential import Credential
from auth_service.domain.device import DeviceTokens
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.refresh import RefreshToken
from auth_service.domain.rights import RightsRule
from auth_service.domain.session import STANDARD, LockedSession, SessionLimits
from auth_service.domain.tokens import AccessGrant, Authenticator, RefreshTokens, Tokens, TokenSigner
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.usecases.api_keys import VerifyApiKey
from auth_service.usecases.devices import RecordDevice


class IssueTokens(Component):
    """Signs an access token and writes the newest refresh token."""

    signer: TokenSigner
    refresh_tokens: RefreshTokens
    rights_of: RightsRule
    limits: SessionLimits = STANDARD

    def __call__(self, locked: LockedSession) -> Tokens:
        """Returns the tokens.

        Raises:
            Unavailable: there is no signing key yet.
        """
        session = locked.session
        rights = self.rights_of(locked.role, has_two_factors=locked.has_two_factors)
        grant = AccessGrant(
            user_id=session.user_id,
            session_id=session.id,
            role=rights.role,
            at=locked.at,
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
            refresh_expires_in_seconds=int((session.expires_at - locked.at).total_seconds()),
            role=locked.role,
        )


class IssueFirstTokens(Component):
    """Issues a new session's tokens, with a device token that recognizes the browser later."""

    issue_tokens: IssueTokens
    device_tokens: DeviceTokens
    throttle_keys: ThrottleKeys
    record_device: RecordDevice

    async def __call__(self, locked: LockedSession, credential: Credential, caller: Caller) -> Tokens:
        """Returns the tokens, and records the device.

        Raises:
            Unavailable: there is no signing key yet.
        """
        account = self.throttle_keys.of(credential, caller.client_address).account
        device = self.device_tokens.issue(account, credential.password_hash)
        tokens = replace(self.issue_tokens(locked), device=device)
        await self.record_device(user_id=credential.user_id, caller=caller)
        return tokens


async def reissue_tokens(units: UnitsOfWork, issue_tokens: IssueTokens, session_id: UUID) -> Tokens:
    """Returns tokens of a session whose first tokens were lost.

    Raises:
        TokenRevoked: it has ended since, or the password that opened it was changed in it.
        TokenExpired: it has expired.
    """
    limits = issue_tokens.limits
    async with units.transaction() as unit:
        locked = await unit.sessions.lock(session_id)
        if locked is None or locked.session.ended_at is not None:
            raise TokenRevoked
        session = limits.applied(locked.session)
        if await unit.credentials.password_changed_since(session.user_id, session.created_at):
            raise TokenRevoked
        if locked.at >= session.expires_at:
            raise TokenExpired
        # The last use shows whether a token of the session may still be valid when it ends.
        used = limits.used(session, locked.at)
        await unit.sessions.renew(used)
    return issue_tokens(replace(locked, session=used))


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """The result of introspecting a token.

    Attributes:
        refusal: The reason why the token is refused; empty if it is valid.
        key: The API key, if the token is a valid one.
    """

    refusal: str = ""
    key: KeyHolder | None = None


class IntrospectToken(Component):
    """Verifies a token against Postgres, for another service."""

    authenticator: Authenticator
    verify_api_key: VerifyApiKey

    async def __call__(self, *, token: str, caller: Caller) -> Introspection:
        """Returns the result; `caller` is who sent the token, as the other service says."""
        try:
            if is_api_key(token):
                return Introspection(key=await self.verify_api_key(text=token, caller=caller))
            await self.authenticator.authenticate(token)
        except (TokenInvalid, TokenExpired, TokenRevoked) as refused:
            return Introspection(refusal=refused.reason)
        return Introspection()
