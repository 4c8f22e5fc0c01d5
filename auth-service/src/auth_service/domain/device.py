"""From what a user has signed in: a browser in a network, remembered illegibly.

Somebody who signs in from one that is not known is told by mail: it may be an intruder with the
right password.
"""

import ipaddress
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from chassis.addresses import parse_address

DEVICES_MAX = 50
"""Devices that are remembered for one user; the oldest give way."""

REMEMBERED = timedelta(days=365)
"""How long a device is remembered after the first sign-in from it."""

NOTICES_MAX = 5
"""Mails about new devices that one user gets in `NOTICES_WINDOW`, whoever signs in from wherever."""

NOTICES_WINDOW = timedelta(days=1)

_VERSION = re.compile(r"/[\d._]+")
_IPV4_PREFIX = 16
_IPV6_PREFIX = 32


class DeviceDigests(Protocol):
    """Makes of a device what is remembered of it."""

    def __call__(self, user_id: UUID, device: str) -> Sequence[bytes]:
        """Returns a digest of 32 bytes, another one for each user, from which the device cannot be read.

        There is one for each master key that is accepted; the first is to be kept.
        """
        ...


class DeviceRepository(Protocol):
    """Remembers devices."""

    async def is_known(self, user_id: UUID, digest: bytes) -> bool:
        """Whether the user has signed in from there before."""
        ...

    async def add(self, user_id: UUID, digest: bytes) -> bool:
        """Remembers a device, and forgets the oldest beyond `DEVICES_MAX`.

        Returns:
            Whether the user should be told: it is new, not the first one, and no more than
            `NOTICES_MAX` came in `NOTICES_WINDOW`.
        """
        ...

    async def keep_digest(self, user_id: UUID, known: bytes, digest: bytes) -> None:
        """Keeps another digest of a known device, made with the master key of today."""
        ...

    async def forget_all(self, user_id: UUID) -> None:
        """Forgets every device of a user."""
        ...


def device_of(user_agent: str, client_address: str) -> str:
    """Returns what counts as one device: a browser, whatever its version, in a provider's network."""
    return f"{_VERSION.sub('/', user_agent)}\n{_network_of(client_address)}"


def _network_of(address: str) -> str:
    parsed = parse_address(address)
    if parsed is None:
        return ""
    prefix = _IPV4_PREFIX if isinstance(parsed, ipaddress.IPv4Address) else _IPV6_PREFIX
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


class DeviceTokens(Protocol):
    """Tokens by which an account knows browsers that have signed in to it (OWASP's device cookies).

    Such a browser has guesses of its own, as few as anyone, and does not wait because of others'.
    A token names nobody, is of no use at another account, and ends with the password it was issued for.
    """

    def issue(self, account: bytes, password_hash: str) -> str:
        """Returns a token for a browser that has just signed in.

        Args:
            account: The account, as `ThrottleKey` names it.
            password_hash: Its password's hash.
        """
        ...

    def client(self, token: str, account: bytes) -> bytes | None:
        """Returns the client's name for `ThrottleKey`; None when the token is not of this account."""
        ...

    def is_current(self, token: str, password_hash: str) -> bool:
        """Whether the account still has the password that the token was issued for."""
        ...
