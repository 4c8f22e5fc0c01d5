"""Keep addresses that are asked for, those that can be restored, and how often an address was mailed to."""

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.execute(_CREDENTIALS)
    op.execute(_FORMER_EMAILS)
    op.execute(_MAIL_TARGETS)


_CREDENTIALS = """
ALTER TABLE auth.credentials ADD COLUMN pending_email text;
ALTER TABLE auth.credentials ADD COLUMN restored_email text;
COMMENT ON COLUMN auth.credentials.pending_email IS 'copy of what user-service has: asked for, not proven';
COMMENT ON COLUMN auth.credentials.restored_email IS 'restored by its owner; user-service has yet to know';
"""

_FORMER_EMAILS = """
CREATE TABLE auth.former_emails (
    mail_id    uuid PRIMARY KEY,
    user_id    uuid NOT NULL CONSTRAINT former_emails_credential
               REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    email      text NOT NULL,
    kept_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE auth.former_emails IS 'to whom a notice of a change goes, whose link restores the address';
CREATE INDEX former_emails_of_user ON auth.former_emails (user_id);
CREATE INDEX former_emails_expiry ON auth.former_emails (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.former_emails TO auth_service;
"""

# The target is an HMAC: who was written to cannot be read from it.
_MAIL_TARGETS = """
CREATE TABLE auth.mail_targets (
    target     bytea PRIMARY KEY,
    sent_at    timestamptz[] NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX mail_targets_age ON auth.mail_targets (updated_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.mail_targets TO auth_service;
"""
