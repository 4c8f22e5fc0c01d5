"""Note which master keys write and when, how old recovery codes are, and later attestations."""

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    op.execute(_MASTER_KEYS)
    op.execute(_LATER_ATTESTATIONS)
    op.execute(_MADE_AT)


_MASTER_KEYS = """
CREATE TABLE auth.master_keys (
    key_id        text PRIMARY KEY,
    first_used_at timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE auth.master_keys IS 'master keys that processes have written with, by name';
GRANT SELECT, INSERT, UPDATE ON auth.master_keys TO auth_service;
"""

_LATER_ATTESTATIONS = """
CREATE TABLE auth.later_attestations (
    kid         text NOT NULL CONSTRAINT later_attestations_key
                REFERENCES auth.retired_signing_keys (kid) ON DELETE CASCADE,
    attestation bytea NOT NULL,
    PRIMARY KEY (kid, attestation)
);
COMMENT ON TABLE auth.later_attestations IS 'shows by later master keys that retired signing keys were ours';
GRANT SELECT, INSERT ON auth.later_attestations TO auth_service;
"""

_MADE_AT = """
ALTER TABLE auth.recovery_codes ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
"""
