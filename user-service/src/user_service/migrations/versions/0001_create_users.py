"""Create users, tombstones and the outbox."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE users.users (
            id              uuid NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
            email           text NOT NULL,
            email_canonical text COLLATE "C" NOT NULL CONSTRAINT users_email_unique UNIQUE,
            email_key       text COLLATE "C" NOT NULL,
            full_name       text NOT NULL,
            full_name_key   text COLLATE "C" NOT NULL,
            search_text     text COLLATE "C" NOT NULL,
            role            text NOT NULL CONSTRAINT users_role_known CHECK (role IN ('user', 'admin')),
            is_active       boolean NOT NULL,
            email_verified  boolean NOT NULL,
            version         bigint NOT NULL CONSTRAINT users_version_positive CHECK (version > 0),
            created_at      timestamptz NOT NULL,
            updated_at      timestamptz NOT NULL,
            last_login_at   timestamptz
        );
        COMMENT ON COLUMN users.users.email IS 'as typed';
        COMMENT ON COLUMN users.users.email_canonical IS 'the form in which addresses are compared';
        COMMENT ON COLUMN users.users.email_key IS 'beginning of the canonical form, to order by';
        COMMENT ON COLUMN users.users.full_name_key IS 'beginning of the folded name, to order by';
        COMMENT ON COLUMN users.users.search_text IS 'address and name, folded, to search in';

        -- One index an order, each with the id that breaks its ties.
        CREATE INDEX users_by_created_at ON users.users (created_at, id);
        CREATE INDEX users_by_email ON users.users (email_key, id);
        CREATE INDEX users_by_full_name ON users.users (full_name_key, id);
        -- The rare sides of the filters.
        CREATE INDEX users_admins ON users.users (created_at, id) WHERE role = 'admin';
        CREATE INDEX users_inactive ON users.users (created_at, id) WHERE NOT is_active;

        CREATE TABLE users.tombstones (
            user_id   uuid NOT NULL CONSTRAINT tombstones_pkey PRIMARY KEY,
            version   bigint NOT NULL,
            erased_at timestamptz NOT NULL
        );

        CREATE TABLE users.outbox (
            position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event_id     uuid NOT NULL CONSTRAINT outbox_event_id_unique UNIQUE,
            payload      bytea NOT NULL,
            created_at   timestamptz NOT NULL DEFAULT now(),
            published_at timestamptz,
            stream_id    text
        );
        CREATE INDEX outbox_unpublished ON users.outbox (position) WHERE published_at IS NULL;
        CREATE INDEX outbox_published ON users.outbox (published_at) WHERE published_at IS NOT NULL;

        GRANT SELECT, INSERT, UPDATE, DELETE ON users.users TO user_service;
        GRANT SELECT, INSERT ON users.tombstones TO user_service;
        GRANT SELECT, INSERT, UPDATE, DELETE ON users.outbox TO user_service;
    """)
