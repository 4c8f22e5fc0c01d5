"""Index the search text by trigrams, where the server has pg_trgm and lets us use it.

Without the extension a search reads the table: right, but slow beyond some hundred
thousand people. `CREATE EXTENSION pg_trgm` as a superuser, then
`CREATE INDEX users_search ON users.users USING gin (search_text gin_trgm_ops)`, mends it
at any time.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        DO $$
        DECLARE
            home text;
        BEGIN
            CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA users;
            SELECT n.nspname INTO STRICT home
                FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                WHERE e.extname = 'pg_trgm';
            EXECUTE format(
                'CREATE INDEX users_search ON users.users USING gin (search_text %I.gin_trgm_ops)', home
            );
        EXCEPTION
            WHEN insufficient_privilege OR feature_not_supported OR undefined_file THEN
                RAISE NOTICE 'search is not indexed: %', SQLERRM;
        END
        $$;
    """)
