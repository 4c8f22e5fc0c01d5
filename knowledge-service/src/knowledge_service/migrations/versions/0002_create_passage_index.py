"""Create the index of passages, at once or when the extension pgvector is installed.

The service calls the function where the extension came after this migration. A later migration that changes
these tables replaces the function too.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

# As in `domain/passage_index.py` when this was written. An index of a length that no model has costs nothing.
_DIMENSIONS = (256, 384, 512, 768, 1024, 1536, 3072)


def upgrade() -> None:
    nearest = "".join(_BY_MEANING.format(dimensions=dimensions) for dimensions in _DIMENSIONS)
    op.execute(_FUNCTION.format(tables=_TABLES, nearest=nearest, grants=_GRANTS))
    op.execute(
        """
        REVOKE ALL ON FUNCTION knowledge.create_passage_index FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION knowledge.create_passage_index TO knowledge_service;
        SELECT knowledge.create_passage_index() FROM pg_extension WHERE extname = 'vector';
        """
    )


# SECURITY DEFINER, for the service's role creates no tables otherwise.
_FUNCTION = """
CREATE FUNCTION knowledge.create_passage_index() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = knowledge, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('knowledge:create_passage_index', 0));
    -- Asked of the table: to_regclass may still answer from before the lock was free.
    IF EXISTS (
        SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'knowledge' AND tablename = 'indexed_passages'
    ) THEN
        RETURN;
    END IF;
    {tables}
    {nearest}
    {grants}
END
$$;
"""

_BY_MEANING = """
CREATE INDEX indexed_passages_by_meaning_{dimensions} ON knowledge.indexed_passages
USING hnsw ((dense::halfvec({dimensions})) halfvec_cosine_ops)
WHERE dimensions = {dimensions} AND dense IS NOT NULL;
"""

_TABLES = """
CREATE TABLE knowledge.indexed_passages (
    passage_id  uuid NOT NULL CONSTRAINT indexed_passages_pkey PRIMARY KEY,
    document_id uuid NOT NULL,
    labels      text[] NOT NULL,
    model       text NOT NULL,
    dimensions  smallint NOT NULL,
    dense       halfvec,
    terms       sparsevec NOT NULL,
    term_ids    integer[] NOT NULL
);
COMMENT ON TABLE knowledge.indexed_passages IS 'what finds passages; can be rebuilt from knowledge.documents';
COMMENT ON COLUMN knowledge.indexed_passages.model IS 'whose vector `dense` is';
COMMENT ON COLUMN knowledge.indexed_passages.terms IS 'BM25 weights by hashed term';
COMMENT ON COLUMN knowledge.indexed_passages.term_ids IS 'the hashed terms, for the index by terms';
-- Halves of floats and hashes do not compress.
ALTER TABLE knowledge.indexed_passages ALTER COLUMN dense SET STORAGE EXTERNAL;
ALTER TABLE knowledge.indexed_passages ALTER COLUMN terms SET STORAGE EXTERNAL;
CREATE INDEX indexed_passages_of_document ON knowledge.indexed_passages (document_id);
-- A list of pending entries would be read by every search.
CREATE INDEX indexed_passages_by_term ON knowledge.indexed_passages
    USING gin (term_ids, labels) WITH (fastupdate = off);

CREATE TABLE knowledge.term_counts (
    term_id  integer NOT NULL CONSTRAINT term_counts_pkey PRIMARY KEY,
    passages integer NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE knowledge.term_counts IS 'how many passages have a term; term 0 counts all passages';
"""

_GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.indexed_passages TO knowledge_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.term_counts TO knowledge_service;
"""
