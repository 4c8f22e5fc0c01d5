"""Let deliveries be found by endpoint while they wait, and by age once they ended."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # No statement asks for `occurred_at` alone, nor for what is due at all endpoints any more: what waits
    # for an endpoint that is off would be read each time.
    op.execute("""
        CREATE INDEX webhook_deliveries_pending ON users.webhook_deliveries (webhook_id, due_at)
            WHERE state = 'pending';
        CREATE INDEX webhook_deliveries_ended ON users.webhook_deliveries (state, due_at)
            WHERE state <> 'pending';
        DROP INDEX users.webhook_deliveries_age;
        DROP INDEX users.webhook_deliveries_due;
    """)
