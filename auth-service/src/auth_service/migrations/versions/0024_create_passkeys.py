"""Create passkeys and the challenges they answer."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute(_PASSKEYS)
    op.execute(_CHALLENGES)


_PASSKEYS = """
CREATE TABLE auth.passkeys (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL CONSTRAINT passkeys_credential
                  REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    name          text NOT NULL,
    credential_id bytea NOT NULL CONSTRAINT passkeys_credential_id_unique UNIQUE,
    public_key    bytea NOT NULL,
    sign_count    bigint NOT NULL,
    transports    text[] NOT NULL,
    is_backed_up  boolean NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz
);
CREATE INDEX passkeys_of_user ON auth.passkeys (user_id, created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.passkeys TO auth_service;
"""

# A sign-in's challenge is nobody's: who answers it is seen from the passkey.
_CHALLENGES = """
CREATE TABLE auth.passkey_challenges (
    digest     bytea PRIMARY KEY,
    ceremony   text NOT NULL,
    user_id    uuid CONSTRAINT passkey_challenges_credential
               REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    session_id uuid,
    expires_at timestamptz NOT NULL
);
CREATE INDEX passkey_challenges_expiry ON auth.passkey_challenges (expires_at);
CREATE INDEX passkey_challenges_of_user ON auth.passkey_challenges (user_id) WHERE user_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.passkey_challenges TO auth_service;
"""
