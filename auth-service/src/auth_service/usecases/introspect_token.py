"""Judging one token, for services that cannot read the event stream."""

from dataclasses import dataclass

from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked

from auth_service.domain.ports import TokenJudge


@dataclass(frozen=True, slots=True)
class IntrospectToken:
    """Judges a token against Postgres."""

    judge: TokenJudge

    async def __call__(self, *, token: str) -> str:
        """Returns why the token is no good; nothing when it is good."""
        try:
            await self.judge.judge(token)
        except (TokenInvalid, TokenExpired, TokenRevoked) as refusal:
            return refusal.reason
        return ""
