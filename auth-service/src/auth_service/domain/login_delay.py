"""Login delay: how long responses are held back for an account that many clients guess at."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from auth_service.domain.login_throttle import ThrottleKey, ThrottleState

_FREE_FAILURES = 5
_DELAY_SECONDS_EACH = 0.5
_DELAY_SECONDS_MAX = 10.0
_FIRST_DELAY_SECONDS_MAX = 1.0


def delay_seconds(record: ThrottleState) -> float:
    """Returns how long an answer for an account is held back.

    One client alone never gets here, since it is refused after `FAILURES_MAX`: this slows
    down guessing that comes from many clients, without locking the account's owner out. The
    first try of a client, which may be the owner's, waits for a second at most.
    """
    most = _FIRST_DELAY_SECONDS_MAX if record.is_first else _DELAY_SECONDS_MAX
    return min(most, max(0, record.failures - _FREE_FAILURES) * _DELAY_SECONDS_EACH)


class LoginDelay(Protocol):
    """Holds guesses back, without a connection or a place in the hashing pool.

    Waiting places are bounded for each account and each client, so that those who guess at one
    account take no place from others, nor from a client that has not tried yet.
    """

    def turn(self, key: ThrottleKey) -> AbstractAsyncContextManager[None]:
        """Lets no more guesses of one client at one account be under way than it has.

        The others wait for their turn, since the password of those before them may be right.

        Raises:
            TooManyAttempts: too many wait for their turn already.
        """
        ...

    async def __call__(self, seconds: float, key: ThrottleKey, *, is_first: bool) -> None:
        """Returns after that time; at once for 0.

        Args:
            seconds: How long.
            key: The account and the client.
            is_first: Whether the client tries for the first time: then it is never refused.

        Raises:
            TooManyAttempts: too many wait at this account, or everywhere.
        """
        ...
