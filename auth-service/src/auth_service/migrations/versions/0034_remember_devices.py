"""Remember from which devices people have signed in, illegibly."""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute(_KNOWN_DEVICES)


_KNOWN_DEVICES = """
CREATE TABLE auth.known_devices (
    user_id  uuid NOT NULL CONSTRAINT known_devices_credential
             REFERENCES auth.credentials (user_id) ON DELETE CASCADE,
    digest   bytea NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, digest)
);
CREATE INDEX known_devices_age ON auth.known_devices (added_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.known_devices TO auth_service;
"""
