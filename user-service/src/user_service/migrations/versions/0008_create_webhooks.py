"""Create webhooks and their deliveries."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE users.webhooks (
            id              uuid NOT NULL CONSTRAINT webhooks_pkey PRIMARY KEY,
            url             text NOT NULL,
            events          text[] NOT NULL,
            description     text NOT NULL,
            sealed_secret   bytea NOT NULL,
            sealed_former   bytea,
            former_until    timestamptz,
            is_active       boolean NOT NULL,
            disabled_reason text,
            created_at      timestamptz NOT NULL,
            updated_at      timestamptz NOT NULL
        );
        COMMENT ON COLUMN users.webhooks.sealed_secret IS 'encrypted with the master key';

        CREATE TABLE users.webhook_deliveries (
            id              uuid NOT NULL CONSTRAINT webhook_deliveries_pkey PRIMARY KEY,
            webhook_id      uuid NOT NULL CONSTRAINT webhook_deliveries_webhook
                            REFERENCES users.webhooks (id) ON DELETE CASCADE,
            event           text NOT NULL,
            user_id         uuid NOT NULL,
            version         bigint NOT NULL,
            fields          text[] NOT NULL,
            occurred_at     timestamptz NOT NULL,
            state           text NOT NULL DEFAULT 'pending' CONSTRAINT webhook_deliveries_state_known
                            CHECK (state IN ('pending', 'delivered', 'dead')),
            attempts        integer NOT NULL DEFAULT 0,
            due_at          timestamptz NOT NULL DEFAULT now(),
            last_attempt_at timestamptz,
            last_status     integer,
            last_error      text
        );
        CREATE INDEX webhook_deliveries_due ON users.webhook_deliveries (due_at) WHERE state = 'pending';
        CREATE INDEX webhook_deliveries_dead ON users.webhook_deliveries (webhook_id) WHERE state = 'dead';
        CREATE INDEX webhook_deliveries_of_webhook ON users.webhook_deliveries (webhook_id, id);
        CREATE INDEX webhook_deliveries_age ON users.webhook_deliveries (occurred_at);

        GRANT SELECT, INSERT, UPDATE, DELETE ON users.webhooks TO user_service;
        GRANT SELECT, INSERT, UPDATE, DELETE ON users.webhook_deliveries TO user_service;
    """)
