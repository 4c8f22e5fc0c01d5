"""Create the queue of mails and the tokens that they carry; note which addresses are verified."""

from alembic import op

revision = "0010"
down_revision = "0001"


def upgrade() -> None:
    op.execute(_MAILS)
    op.execute(_MAIL_TOKENS)
    op.execute(_VERIFIED)


# No foreign key: a mail that was asked for in nobody's name costs the same as any other.
# Neither address nor token is kept: the one is read, the other computed when it is sent.
_MAILS = """
CREATE TABLE auth.mails (
    id        uuid PRIMARY KEY,
    kind      text NOT NULL,
    user_id   uuid NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT now(),
    due_at    timestamptz NOT NULL DEFAULT now(),
    attempts  integer NOT NULL DEFAULT 0
);
CREATE INDEX mails_due ON auth.mails (due_at);
CREATE INDEX mails_of_user ON auth.mails (user_id, kind);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.mails TO auth_service;
"""

_MAIL_TOKENS = """
CREATE TABLE auth.mail_tokens (
    user_id    uuid NOT NULL CONSTRAINT mail_tokens_credential
               REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    kind       text NOT NULL,
    mail_id    uuid NOT NULL,
    digest     bytea NOT NULL CONSTRAINT mail_tokens_digest_unique UNIQUE,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, kind)
);
CREATE INDEX mail_tokens_expiry ON auth.mail_tokens (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.mail_tokens TO auth_service;
"""

_VERIFIED = """
ALTER TABLE auth.credentials ADD COLUMN email_verified boolean NOT NULL DEFAULT false;
"""
