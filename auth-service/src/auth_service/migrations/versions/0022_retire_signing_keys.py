"""Keep the public halves of retired signing keys, whose private halves are destroyed."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute(_RETIRED)


# What verifies a signature after years can be added and read, never changed.
_RETIRED = """
CREATE TABLE auth.retired_signing_keys (
    kid          text PRIMARY KEY,
    x            text NOT NULL,
    y            text NOT NULL,
    attestation  bytea NOT NULL,
    published_at timestamptz NOT NULL,
    active_from  timestamptz NOT NULL,
    removed_from timestamptz NOT NULL
);
GRANT SELECT, INSERT ON auth.retired_signing_keys TO auth_service;
"""
