"""Digests of devices: HMACs under a key of their own, legible to nobody."""

import hashlib
import hmac
from uuid import UUID


class HmacDeviceDigests:
    """Derives a digest for each user."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, user_id: UUID, device: str) -> bytes:
        """Returns what is remembered of a user's device."""
        return hmac.digest(self._key, user_id.bytes + device.encode(), hashlib.sha256)
