"""The sources and their files: `knowledge.sources`, `knowledge.source_files`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection, rows_affected

from knowledge_service.adapters.text_seal import TextSeal
from knowledge_service.domain.source import (
    Access,
    Claim,
    Problem,
    Source,
    SourceFile,
)

_SOURCE = """
    id, owner_id, sealed_url, sealed_user, created_at, problem, synced_at,
    coalesce(claimed_until > now(), false) AS claimed
"""


@dataclass(frozen=True, slots=True)
class PostgresSources:
    """`SourceRepository` on one connection."""

    connection: Connection
    seal: TextSeal

    async def lock(self, owner_id: UUID) -> None:
        """Makes other transactions that lock a user's sources wait until this one ends."""
        await self.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('sources:' || $1::text, 0))", str(owner_id)
        )

    async def add(self, source: Source, password: str) -> None:
        """Adds a source."""
        await self.connection.execute(
            """
            INSERT INTO knowledge.sources
                (id, owner_id, sealed_url, sealed_user, sealed_password, sealed_with, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            source.id,
            source.owner_id,
            self.seal.seal("source url", source.id, source.url),
            self.seal.seal("source user", source.id, source.user),
            self.seal.seal("source password", source.id, password),
            self.seal.key_id,
            source.created_at,
        )

    async def owned(self, owner_id: UUID) -> Sequence[Source]:
        """Returns the sources of a user, the newest first."""
        rows = await self.connection.fetch(
            f"""
            SELECT {_SOURCE},
                (
                    SELECT count(*) FROM knowledge.source_files AS f
                    JOIN knowledge.documents AS d ON d.id = f.document_id AND d.owner_id = sources.owner_id
                    WHERE f.source_id = sources.id
                ) AS documents,
                (SELECT count(problem) FROM knowledge.source_files WHERE source_id = sources.id) AS skipped
            FROM knowledge.sources WHERE owner_id = $1 ORDER BY created_at DESC, id DESC
            """,  # noqa: S608 of constants
            owner_id,
        )
        return [self._source(row, documents=row["documents"], skipped=row["skipped"]) for row in rows]

    async def skipped(self, source_id: UUID, limit: int) -> Sequence[SourceFile]:
        """Returns files that are no documents."""
        rows = await self.connection.fetch(
            """
            SELECT source_id, key, sealed_path, version, document_id, problem FROM knowledge.source_files
            WHERE source_id = $1 AND problem IS NOT NULL ORDER BY key LIMIT $2
            """,
            source_id,
            limit,
        )
        return [self._file(row) for row in rows]

    async def lock_one(self, owner_id: UUID, source_id: UUID) -> bool:
        """Whether the user has the source, locked against changes by others until the transaction ends."""
        row = await self.connection.fetchrow(
            "SELECT FROM knowledge.sources WHERE id = $1 AND owner_id = $2 FOR UPDATE", source_id, owner_id
        )
        return row is not None

    async def keep(self, source_id: UUID) -> bool:
        """Whether the source exists, and cannot be deleted until the transaction ends."""
        row = await self.connection.fetchrow(
            "SELECT FROM knowledge.sources WHERE id = $1 FOR KEY SHARE", source_id
        )
        return row is not None

    async def delete_some_documents(self, source_id: UUID, limit: int) -> Sequence[UUID]:
        """Deletes documents of a locked source's files and returns their ids: none when none are left."""
        rows = await self.connection.fetch(
            """
            DELETE FROM knowledge.documents WHERE id = ANY(ARRAY(
                SELECT d.id FROM knowledge.sources AS s
                JOIN knowledge.source_files AS f ON f.source_id = s.id
                JOIN knowledge.documents AS d ON d.id = f.document_id AND d.owner_id = s.owner_id
                WHERE s.id = $1 ORDER BY d.id LIMIT $2 FOR UPDATE OF d
            ))
            RETURNING id
            """,
            source_id,
            limit,
        )
        return [row["id"] for row in rows]

    async def delete(self, source_id: UUID) -> None:
        """Deletes a source that has no documents any more."""
        await self.connection.execute("DELETE FROM knowledge.sources WHERE id = $1", source_id)

    async def delete_of(self, owner_id: UUID) -> None:
        """Deletes all sources of a user."""
        await self.connection.execute("DELETE FROM knowledge.sources WHERE owner_id = $1", owner_id)

    async def claim(self, lease: timedelta) -> Claim | None:
        """Returns a source that is due and that no process follows."""
        row = await self.connection.fetchrow(
            f"""
            UPDATE knowledge.sources SET claim = $1, claimed_until = now() + $2::interval
            WHERE id = (
                SELECT id FROM knowledge.sources
                WHERE due_at <= now() AND (claimed_until IS NULL OR claimed_until <= now())
                ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
            )
            RETURNING {_SOURCE}, sealed_password, claim, failures
            """,  # noqa: S608 of constants
            uuid4(),
            lease,
        )
        if row is None:
            return None
        source = self._source(row)
        password = self.seal.open("source password", source.id, row["sealed_password"])
        return Claim(source, Access(source.url, source.user, password), row["claim"], row["failures"])

    async def renew(self, claim: Claim, lease: timedelta) -> bool:
        """Extends a lease; returns False if the source is gone or another process has it."""
        tag = await self.connection.execute(
            "UPDATE knowledge.sources SET claimed_until = now() + $3::interval WHERE id = $1 AND claim = $2",
            claim.source.id,
            claim.token,
            lease,
        )
        return rows_affected(tag) == 1

    async def release(self, claim: Claim, problem: Problem | None, wait: timedelta) -> None:
        """Records how following ended, and when it is due again."""
        await self.connection.execute(
            """
            UPDATE knowledge.sources
            SET claim = NULL, claimed_until = NULL, problem = $3::text, due_at = now() + $4::interval,
                failures = CASE WHEN $3::text IS NULL THEN 0 ELSE failures + 1 END,
                synced_at = CASE WHEN $3::text IS NULL THEN now() ELSE synced_at END
            WHERE id = $1 AND claim = $2
            """,
            claim.source.id,
            claim.token,
            None if problem is None else problem.value,
            wait,
        )

    async def postpone(self, claim: Claim, wait: timedelta) -> None:
        """Ends a lease without an attempt; the source is due again after the wait."""
        await self.connection.execute(
            """
            UPDATE knowledge.sources
            SET claim = NULL, claimed_until = NULL, due_at = now() + $3::interval
            WHERE id = $1 AND claim = $2
            """,
            claim.source.id,
            claim.token,
            wait,
        )

    async def files(self, source_id: UUID) -> Mapping[bytes, SourceFile]:
        """Returns what became of each file, by its key."""
        rows = await self.connection.fetch(
            """
            SELECT source_id, key, sealed_path, version, document_id, problem FROM knowledge.source_files
            WHERE source_id = $1
            """,
            source_id,
        )
        return {row["key"]: self._file(row) for row in rows}

    async def save_file(self, source_id: UUID, file: SourceFile) -> bool:
        """Records what became of a file; returns False, and records nothing, if the source is gone."""
        tag = await self.connection.execute(
            """
            INSERT INTO knowledge.source_files
                (source_id, key, sealed_path, sealed_with, version, document_id, problem)
            SELECT id, $2, $3, $4, $5, $6, $7 FROM knowledge.sources WHERE id = $1 FOR KEY SHARE
            ON CONFLICT (source_id, key) DO UPDATE
            SET sealed_path = $3, sealed_with = $4, version = $5, document_id = $6, problem = $7
            """,
            source_id,
            file.key,
            self.seal.seal("source path", source_id, file.path),
            self.seal.key_id,
            file.version,
            file.document_id,
            file.problem,
        )
        return rows_affected(tag) == 1

    async def delete_file(self, source_id: UUID, key: bytes) -> None:
        """Forgets a file."""
        await self.connection.execute(
            "DELETE FROM knowledge.source_files WHERE source_id = $1 AND key = $2", source_id, key
        )

    def _source(self, row: asyncpg.Record, *, documents: int = 0, skipped: int = 0) -> Source:
        identifier, problem = row["id"], row["problem"]
        return Source(
            id=identifier,
            owner_id=row["owner_id"],
            url=self.seal.open("source url", identifier, row["sealed_url"]),
            user=self.seal.open("source user", identifier, row["sealed_user"]),
            created_at=row["created_at"],
            claimed=row["claimed"],
            problem=None if problem is None else Problem(problem),
            synced_at=row["synced_at"],
            documents=documents,
            skipped=skipped,
        )

    def _file(self, row: asyncpg.Record) -> SourceFile:
        return SourceFile(
            key=row["key"],
            path=self.seal.open("source path", row["source_id"], row["sealed_path"]),
            version=row["version"],
            document_id=row["document_id"],
            problem=row["problem"],
        )
