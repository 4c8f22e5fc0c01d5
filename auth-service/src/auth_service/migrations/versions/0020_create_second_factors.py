"""Create authenticators, recovery codes and the sign-ins that wait for them."""

from alembic import op

revision = "0020"
down_revision = "0010"


def upgrade() -> None:
    op.execute(_SECOND_FACTORS)


_SECOND_FACTORS = """
ALTER TABLE auth.credentials ADD COLUMN second_factor boolean NOT NULL DEFAULT false;

CREATE TABLE auth.authenticators (
    user_id       uuid PRIMARY KEY CONSTRAINT authenticators_credential
                  REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    sealed_secret bytea NOT NULL,
    last_step     bigint NOT NULL DEFAULT -1,
    is_confirmed  boolean NOT NULL DEFAULT false
);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.authenticators TO auth_service;

CREATE TABLE auth.recovery_codes (
    user_id uuid NOT NULL CONSTRAINT recovery_codes_credential
            REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    digest  bytea NOT NULL,
    PRIMARY KEY (user_id, digest)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.recovery_codes TO auth_service;

CREATE TABLE auth.mfa_challenges (
    digest        bytea PRIMARY KEY,
    user_id       uuid NOT NULL CONSTRAINT mfa_challenges_credential
                  REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    password_hash text NOT NULL,
    expires_at    timestamptz NOT NULL
);
CREATE INDEX mfa_challenges_of_user ON auth.mfa_challenges (user_id, expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.mfa_challenges TO auth_service;
"""
