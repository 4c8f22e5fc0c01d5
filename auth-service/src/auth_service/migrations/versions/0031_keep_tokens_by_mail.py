"""Keep tokens by the mail that they were in: one lives until its successor has been delivered.

`auth.mail_tokens`, with one row per person and kind, is the release before's. Both are written for
now, so that either release takes the tokens of the other; the next release drops the old table.
"""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute(_MAILED_TOKENS)


_MAILED_TOKENS = """
CREATE TABLE auth.mailed_tokens (
    mail_id    uuid PRIMARY KEY,
    user_id    uuid NOT NULL CONSTRAINT mailed_tokens_credential
               REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    kind       text NOT NULL,
    digest     bytea NOT NULL CONSTRAINT mailed_tokens_digest_unique UNIQUE,
    queued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON COLUMN auth.mailed_tokens.queued_at IS 'when the mail was asked for: the newest of a kind wins';
CREATE INDEX mailed_tokens_of_user ON auth.mailed_tokens (user_id, kind);
CREATE INDEX mailed_tokens_expiry ON auth.mailed_tokens (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.mailed_tokens TO auth_service;
"""
