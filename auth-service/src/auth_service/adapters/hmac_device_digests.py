"""Digests of devices: HMACs under a key of their own, legible to nobody."""

import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID


class HmacDeviceDigests:
    """Derives a digest for each user."""

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        self._keys = (key, *accepted)

    def __call__(self, user_id: UUID, device: str) -> Sequence[bytes]:
        """Returns what is remembered of a user's device, under each key, the one to write with first."""
        text = user_id.bytes + device.encode()
        return [hmac.digest(key, text, hashlib.sha256) for key in self._keys]
