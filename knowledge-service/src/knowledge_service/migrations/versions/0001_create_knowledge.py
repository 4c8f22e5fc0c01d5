"""Create documents, passages, what waits to be removed from the index, erased owners and the outbox."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    for statements in (_DOCUMENTS, _PASSAGES, _OUTBOX, _GRANTS):
        op.execute(statements)


_DOCUMENTS = """
CREATE TABLE knowledge.documents (
    id                uuid NOT NULL CONSTRAINT documents_pkey PRIMARY KEY,
    owner_id          uuid NOT NULL,
    visibility        text NOT NULL CONSTRAINT documents_visibility_known
                      CHECK (visibility IN ('private', 'role:user', 'role:admin', 'everyone')),
    labels            text[] NOT NULL,
    sealed_title      bytea NOT NULL,
    sealed_text       bytea NOT NULL,
    sealed_source_url bytea,
    version           bigint NOT NULL CONSTRAINT documents_version_positive CHECK (version > 0),
    indexed_version   bigint NOT NULL DEFAULT 0,
    embedded_with     text NOT NULL DEFAULT '',
    claimed_until     timestamptz,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);
COMMENT ON COLUMN knowledge.documents.labels IS 'who sees it: callers who hold one of these';
COMMENT ON COLUMN knowledge.documents.indexed_version IS 'the version that can be found';
COMMENT ON COLUMN knowledge.documents.embedded_with IS 'the model whose vectors are in the index';
COMMENT ON COLUMN knowledge.documents.claimed_until IS 'until when one process indexes it';
-- Texts are encrypted, so TOAST would only try in vain to compress them.
ALTER TABLE knowledge.documents ALTER COLUMN sealed_text SET STORAGE EXTERNAL;

CREATE INDEX documents_by_label ON knowledge.documents USING gin (labels);
CREATE INDEX documents_by_creation ON knowledge.documents (created_at, id);
CREATE INDEX documents_of_owner ON knowledge.documents (owner_id);
CREATE INDEX documents_unindexed ON knowledge.documents (id) WHERE indexed_version < version;
CREATE INDEX documents_by_model ON knowledge.documents (embedded_with);
"""

_PASSAGES = """
CREATE TABLE knowledge.passages (
    id          uuid NOT NULL CONSTRAINT passages_pkey PRIMARY KEY,
    document_id uuid NOT NULL CONSTRAINT passages_document
                REFERENCES knowledge.documents (id) ON DELETE CASCADE,
    version     bigint NOT NULL,
    begins_at   integer NOT NULL,
    ends_at     integer NOT NULL,
    sealed_text bytea NOT NULL
);
COMMENT ON COLUMN knowledge.passages.version IS 'the version of the document that it is a part of';
COMMENT ON COLUMN knowledge.passages.begins_at IS 'in code points of the document''s text';
ALTER TABLE knowledge.passages ALTER COLUMN sealed_text SET STORAGE EXTERNAL;
CREATE INDEX passages_of_document ON knowledge.passages (document_id);

CREATE TABLE knowledge.index_removals (
    document_id uuid NOT NULL CONSTRAINT index_removals_pkey PRIMARY KEY,
    deleted_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE knowledge.index_removals IS 'deleted documents that may still be in the index';

CREATE TABLE knowledge.erased_owners (
    user_id   uuid NOT NULL CONSTRAINT erased_owners_pkey PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);
"""

_OUTBOX = """
CREATE TABLE knowledge.outbox (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid NOT NULL CONSTRAINT outbox_event_id_unique UNIQUE,
    payload      bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    stream_id    text
);
CREATE INDEX outbox_unpublished ON knowledge.outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON knowledge.outbox (published_at) WHERE published_at IS NOT NULL;
"""

_GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.documents TO knowledge_service;
GRANT SELECT, INSERT, DELETE ON knowledge.passages TO knowledge_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.index_removals TO knowledge_service;
GRANT SELECT, INSERT ON knowledge.erased_owners TO knowledge_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.outbox TO knowledge_service;
"""
