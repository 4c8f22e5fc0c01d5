"""Devices that users sign in from: a browser in a network, of which an HMAC is stored.

A sign-in from an unknown device is reported to the user by mail: it may be an intruder with the right
password.
"""

import ipaddress
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from chassis.addresses import parse_address

DEVICES_MAX = 50
"""Devices stored per user; the oldest are deleted."""

REMEMBERED = timedelta(days=365)
"""How long a device is stored after the first sign-in from it."""

NOTICES_MAX = 5
"""Mails about new devices per user in `NOTICES_WINDOW`."""

NOTICES_WINDOW = timedelta(days=1)

_VERSION = re.compile(r"/[\d._]+")
_IPV4_PREFIX = 16
_IPV6_PREFIX = 32


class DeviceDigests(Protocol):
    """Computes the digests of devices."""

    def __call__(self, user_id: UUID, device: str) -> Sequence[bytes]:
        """Returns digests of 32 bytes, different for each user, that do not reveal the device.

        One per accepted master key; the first is the one to store.
        """
        ...


class DeviceRepository(Protocol):
    """Stores devices."""

    async def is_known(self, user_id: UUID, digest: bytes) -> bool:
        """Whether the user has signed in from the device before."""
        ...

    async def add(self, user_id: UUID, digest: bytes) -> bool:
        """Stores a device, and deletes the oldest beyond `DEVICES_MAX`.

        Returns:
            Whether to notify the user: it is new, not the first one, and no more than `NOTICES_MAX`
            were new in `NOTICES_WINDOW`.
        """
        ...

    async def keep_digest(self, user_id: UUID, known: bytes, digest: bytes) -> None:
        """Replaces a device's digest by one that is made with the current master key."""
        ...

    async def forget_all(self, user_id: UUID) -> None:
        """Deletes every device of a user."""
        ...


def device_of(user_agent: str, client_address: str) -> str:
    """Returns what identifies a device: the browser without its version, and the provider's network."""
    return f"{_VERSION.sub('/', user_agent)}\n{_network_of(client_address)}"


def _network_of(address: str) -> str:
    parsed = parse_address(address)
    if parsed is None:
        return ""
    prefix = _IPV4_PREFIX if isinstance(parsed, ipaddress.IPv4Address) else _IPV6_PREFIX
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


class DeviceTokens(Protocol):
    """Tokens of browsers that have signed in to an account before (OWASP's device cookies).

    Such a browser has a throttle of its own, and failures of other clients do not delay it. A token does
    not identify the user, is useless at another account, and ends with the password it was issued for.
    """

    def issue(self, account: bytes, password_hash: str) -> str:
        """Returns a token for a browser that has just signed in.

        Args:
            account: The account, as in `ThrottleKey`.
            password_hash: Its password's hash.
        """
        ...

    def client(self, token: str, account: bytes) -> bytes | None:
        """Returns the client for `ThrottleKey`; None when the token is not of this account."""
        ...

    def is_current(self, token: str, password_hash: str) -> bool:
        """Whether the account still has the password that the token was issued for."""
        ...
