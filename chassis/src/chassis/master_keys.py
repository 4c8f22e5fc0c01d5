"""Master keys as settings: 32 secret bytes in base64, from which a service derives its keys."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

_KEY_BYTES = 32
_DIFFERENT_BYTES_MIN = 16


def _is_a_master_key(value: SecretStr) -> SecretStr:
    try:
        raw = base64.b64decode(value.get_secret_value(), validate=True)
    except binascii.Error as error:
        raise ValueError("it is not base64") from error
    if len(raw) != _KEY_BYTES:
        raise ValueError(f"it holds {len(raw)} bytes, not {_KEY_BYTES}")
    return value


MasterKeyText = Annotated[SecretStr, AfterValidator(_is_a_master_key)]
"""32 secret bytes in base64."""


def _are_master_keys(value: SecretStr) -> SecretStr:
    for text in value.get_secret_value().split(","):
        _is_a_master_key(SecretStr(text.strip()))
    return value


MasterKeysText = Annotated[SecretStr, AfterValidator(_are_master_keys)]
"""Several of them, separated by commas."""

MASTER_KEYS_ACCEPTED = Field(
    default=None,
    description="other master keys by which is read what was made with them, while one follows another:"
    " each 32 secret bytes in base64, separated by commas",
)


def master_keys(*texts: SecretStr | None) -> tuple[bytes, ...]:
    """Returns the master keys in these settings, in order."""
    parts = [part for text in texts if text is not None for part in text.get_secret_value().split(",")]
    return tuple(base64.b64decode(part.strip()) for part in parts)


def was_drawn_at_random(key: bytes) -> bool:
    """Whether a key has as many different bytes as random ones have."""
    return len(set(key)) >= _DIFFERENT_BYTES_MIN
