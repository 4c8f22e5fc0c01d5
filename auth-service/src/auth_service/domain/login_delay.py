"""Login delay: how long responses are held back for an account that many clients guess at."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from auth_service.domain.login_throttle import ThrottleKey, ThrottleState

_FREE_FAILURES = 5
_DELAY_SECONDS_EACH = 0.5
_DELAY_SECONDS_MAX = 10.0
_FIRST_DELAY_SECONDS_MAX = 1.0


def delay_seconds(throttle: ThrottleState) -> float:
    """Returns how long the response for an account is delayed.

    A single client is refused after `FAILURES_MAX`, before any delay: this slows down guessing by many
    clients without locking the account's owner out. The first attempt of a client, which may be the
    owner's, waits for a second at most.
    """
    most = _FIRST_DELAY_SECONDS_MAX if throttle.is_first else _DELAY_SECONDS_MAX
    return min(most, max(0, throttle.failures - _FREE_FAILURES) * _DELAY_SECONDS_EACH)


class LoginDelay(Protocol):
    """Delays attempts, without holding a connection or a place in the hashing pool.

    Waiting places are bounded per account and per client, so that attackers of one account take no
    places from others, nor from a client that has not tried yet.
    """

    def turn(self, key: ThrottleKey) -> AbstractAsyncContextManager[None]:
        """Bounds the concurrent attempts of one client at one account by the number that it has left.

        The others wait, since an attempt before them may be right.

        Raises:
            TooManyAttempts: too many wait already.
        """
        ...

    async def __call__(self, seconds: float, key: ThrottleKey, *, is_first: bool) -> None:
        """Returns after that time.

        Args:
            seconds: The delay; 0 for none.
            key: The account and the client.
            is_first: Whether it is the client's first attempt, which is never refused.

        Raises:
            TooManyAttempts: too many wait for this account, or in all.
        """
        ...
