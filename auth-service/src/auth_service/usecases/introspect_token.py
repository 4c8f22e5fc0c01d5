"""Judging one token, for the other services."""

from dataclasses import dataclass

from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked
from chassis.identity.api_key import is_api_key
from chassis.identity.caller import Caller

from auth_service.domain.api_key import KeyHolder
from auth_service.domain.ports import TokenJudge
from auth_service.usecases.judge_api_key import JudgeApiKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """A judgement.

    Attributes:
        refusal: Why the token is no good; empty when it is good.
        key: The token, when it is an API key and good.
    """

    refusal: str = ""
    key: KeyHolder | None = None


@dataclass(frozen=True, slots=True)
class IntrospectToken:
    """Judges a token against Postgres."""

    judge: TokenJudge
    judge_api_key: JudgeApiKey

    async def __call__(self, *, token: str, caller: Caller) -> Introspection:
        """Returns the judgement; `caller` is who sent the token, as the asking service says."""
        try:
            if is_api_key(token):
                return Introspection(key=await self.judge_api_key(text=token, caller=caller))
            await self.judge.judge(token)
        except (TokenInvalid, TokenExpired, TokenRevoked) as refused:
            return Introspection(refusal=refused.reason)
        return Introspection()
