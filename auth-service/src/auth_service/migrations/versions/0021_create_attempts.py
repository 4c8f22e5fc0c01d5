"""Create the attempts at calls that may be made again, with their first answers."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute(_ATTEMPTS)


_ATTEMPTS = """
CREATE TABLE auth.attempts (
    name          bytea PRIMARY KEY,
    fingerprint   bytea NOT NULL,
    user_id       uuid,
    attempt_id    uuid NOT NULL,
    began_at      timestamptz NOT NULL DEFAULT now(),
    leased_until  timestamptz NOT NULL,
    sealed_answer bytea
);
CREATE INDEX attempts_began_at ON auth.attempts (began_at);
CREATE INDEX attempts_of_user ON auth.attempts (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX attempts_attempt_id ON auth.attempts (attempt_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.attempts TO auth_service;
"""
