"""Create API keys."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute(_API_KEYS)


_API_KEYS = """
CREATE TABLE auth.api_keys (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL CONSTRAINT api_keys_credential
                 REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    name         text NOT NULL,
    scopes       text[] NOT NULL,
    prefix       text NOT NULL CONSTRAINT api_keys_prefix_unique UNIQUE,
    digest       bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_keys_of_user ON auth.api_keys (user_id, created_at);
CREATE INDEX api_keys_over ON auth.api_keys (least(expires_at, revoked_at));
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.api_keys TO auth_service;
"""
