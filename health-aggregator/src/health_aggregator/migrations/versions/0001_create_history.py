"""Create the history of health: observations, their sums over periods, changes, and the writer's lease."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE health.observations (
            component       text COLLATE "C" NOT NULL,
            observed_at     timestamptz NOT NULL,
            success         boolean NOT NULL,
            available       boolean NOT NULL,
            covers_seconds  double precision NOT NULL,
            latency_seconds double precision NOT NULL
        );
        COMMENT ON TABLE health.observations IS 'every single check of the last day';
        COMMENT ON COLUMN health.observations.success IS 'what the check alone found';
        COMMENT ON COLUMN health.observations.available IS 'whether it counted as up, after damping';
        COMMENT ON COLUMN health.observations.covers_seconds IS 'time since the observation before';
        -- Written and forgotten in the order of time: a block index is enough for that.
        CREATE INDEX observations_by_time ON health.observations USING brin (observed_at);
        CREATE INDEX observations_by_component ON health.observations (component, observed_at);

        CREATE TABLE health.periods (
            resolution          text NOT NULL
                CONSTRAINT periods_resolution_known CHECK (resolution IN ('minute', 'hour', 'day')),
            component           text COLLATE "C" NOT NULL,
            starts_at           timestamptz NOT NULL,
            checks              bigint NOT NULL,
            failures            bigint NOT NULL,
            covered_seconds     double precision NOT NULL,
            available_seconds   double precision NOT NULL,
            latency_seconds_sum double precision NOT NULL,
            latency_seconds_max double precision NOT NULL,
            CONSTRAINT periods_pkey PRIMARY KEY (resolution, component, starts_at)
        );
        COMMENT ON TABLE health.periods IS 'sums over minutes, hours and days of the last 90 days';
        CREATE INDEX periods_by_time ON health.periods (resolution, starts_at);

        CREATE TABLE health.changes (
            position   bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT changes_pkey PRIMARY KEY,
            component  text COLLATE "C" NOT NULL,
            changed_at timestamptz NOT NULL,
            state      text NOT NULL,
            previous   text NOT NULL,
            error      text,
            caused_by  text
        );
        COMMENT ON TABLE health.changes IS 'changes of state in the last 90 days: what incidents are made of';
        CREATE INDEX changes_by_time ON health.changes (changed_at);

        CREATE TABLE health.writer (
            only_row   boolean NOT NULL DEFAULT true
                CONSTRAINT writer_pkey PRIMARY KEY CONSTRAINT writer_single CHECK (only_row),
            holder     text NOT NULL,
            held_until timestamptz NOT NULL
        );
        COMMENT ON TABLE health.writer IS 'which of several aggregators writes history and sends notices';

        GRANT SELECT, INSERT, DELETE ON health.observations TO health_aggregator;
        GRANT SELECT, INSERT, UPDATE, DELETE ON health.periods TO health_aggregator;
        GRANT SELECT, INSERT, DELETE ON health.changes TO health_aggregator;
        GRANT SELECT, INSERT, UPDATE ON health.writer TO health_aggregator;
    """)
