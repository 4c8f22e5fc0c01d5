"""Fields that several classes of settings have, and what makes a value of them good."""

from pydantic import Field

from auth_service.domain.retention import YEARS_MIN_STRICT

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


YEARS_HINT = "how many years audit entries are kept, for ever when not set; 6 or more in the strict profile"
AUDIT_RETENTION_YEARS = Field(default=None, ge=1, le=100, description=YEARS_HINT)
TOO_SHORT = (
    f"AUTH_AUDIT_RETENTION_YEARS is less than {YEARS_MIN_STRICT}, the years that the audit is to be kept"
)


def is_too_short(years: int | None) -> bool:
    """Says whether the audit would be kept for less than the strict profile asks."""
    return years is not None and years < YEARS_MIN_STRICT
