"""Fields that several classes of settings have, and what makes a value of them good."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from auth_service.domain.retention import YEARS_MIN_STRICT

_MASTER_KEY_BYTES = 32
POSTGRES_URL = Field(
    description="where the schema `auth` is, with the runtime role: postgresql://auth_service:…@host/database"
)
OWNERS_POSTGRES_URL = Field(
    description="where the schema `auth` is, with its owner's role: postgresql://auth_owner:…@host/database"
)
KEY_PUBLISH_SECONDS = Field(
    default=900.0,
    ge=1.0,
    le=86_400.0,
    description="how long a signing key is published before it signs, in seconds;"
    " longer than verifiers may keep the published keys, which is 6 minutes",
)


def _is_a_master_key(value: SecretStr) -> SecretStr:
    try:
        raw = base64.b64decode(value.get_secret_value(), validate=True)
    except binascii.Error as error:
        raise ValueError("it is not base64") from error
    if len(raw) != _MASTER_KEY_BYTES:
        raise ValueError(f"it holds {len(raw)} bytes, not {_MASTER_KEY_BYTES}")
    return value


YEARS_HINT = "how many years audit entries are kept, for ever when not set; 6 or more in the strict profile"
AUDIT_RETENTION_YEARS = Field(default=None, ge=1, le=100, description=YEARS_HINT)
TOO_SHORT = (
    f"AUTH_AUDIT_RETENTION_YEARS is less than {YEARS_MIN_STRICT}, the years that the audit is to be kept"
)

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


def is_too_short(years: int | None) -> bool:
    """Says whether the audit would be kept for less than the strict profile asks."""
    return years is not None and years < YEARS_MIN_STRICT
