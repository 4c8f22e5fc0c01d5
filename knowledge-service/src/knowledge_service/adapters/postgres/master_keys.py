"""What follows a change of the master key: the rows that it encrypts, and the key of hashes."""

import secrets
from collections.abc import Iterable, Mapping
from uuid import UUID

import structlog
from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection
from chassis.postgres.master_keys import is_newest_in_use
from chassis.postgres.pool import Pool
from chassis.startup_errors import StartupError
from cryptography.exceptions import InvalidTag
from prometheus_client import Gauge

from knowledge_service.adapters.postgres.outbox import OUTBOX
from knowledge_service.adapters.text_seal import TextSeal

log = structlog.get_logger()

_WAITING = Gauge(
    "knowledge_rows_under_other_keys", "Rows that are not encrypted with the current master key yet."
)
_HASH_KEY = UUID(int=0)
_UNREADABLE = "unreadable"
"""What a row says that no accepted key opens: it is counted, and not tried again."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table with encrypted columns.

    Attributes:
        places: What the text of each encrypted column is bound to, besides the id.
        id: The column with the id that it is bound to.
        key: The primary key.
        batch: Rows per transaction.
    """

    name: str
    places: Mapping[str, str]
    id: str = "id"
    key: tuple[str, ...] = ("id",)
    batch: int = 200


_TABLES = (
    _Table(
        "documents",
        {"sealed_title": "title", "sealed_text": "text", "sealed_source_url": "source_url"},
        batch=4,
    ),
    _Table("passages", {"sealed_text": "passage"}),
    _Table(
        "sources",
        {
            "sealed_url": "source url",
            "sealed_user": "source user",
            "sealed_password": "source password",
        },
    ),
    _Table("source_files", {"sealed_path": "source path"}, id="source_id", key=("source_id", "key")),
    # Last: while another key is needed, a process without it does not start.
    _Table("hash_keys", {"sealed_key": "hash key"}),
)


async def hash_key(pool: Pool, seal: TextSeal) -> bytes:
    """Returns the key of hashes; the first process draws it.

    Raises:
        StartupError: no master key opens it.
    """
    await pool.execute(
        """
        INSERT INTO knowledge.hash_keys (id, sealed_key, sealed_with) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING
        """,
        _HASH_KEY,
        seal.seal("hash key", _HASH_KEY, secrets.token_hex(32)),
        seal.key_id,
    )
    sealed = await pool.fetchval("SELECT sealed_key FROM knowledge.hash_keys WHERE id = $1", _HASH_KEY)
    try:
        return bytes.fromhex(seal.open("hash key", _HASH_KEY, sealed))
    except InvalidTag as error:
        raise StartupError(
            "KNOWLEDGE_MASTER_KEY does not open what is stored in Postgres; start with the key that it was"
            " encrypted with, or name that one in KNOWLEDGE_MASTER_KEYS_ACCEPTED"
        ) from error


@dataclass(frozen=True, slots=True)
class FollowMasterKey:
    """Encrypts with the current master key what was encrypted with one that is accepted besides.

    A process whose key is not the newest in use leaves everything as it is.
    """

    pool: Pool
    seal: TextSeal

    async def __call__(self) -> int:
        """Returns how many rows were encrypted again.

        Raises:
            Unavailable: Postgres cannot be reached.
        """
        done = 0
        await self._measure()
        for table in _TABLES:
            while count := await self._follow(table):
                done += count
        if done:
            await self._measure()
        return done

    async def _measure(self) -> None:
        _WAITING.set(await self.pool.fetchval(_count_waiting(), self.seal.key_id))

    async def _follow(self, table: _Table) -> int:
        """Encrypts some rows again; returns how many."""
        async with self.pool.transaction() as transaction:
            if not await is_newest_in_use(transaction, OUTBOX.schema, self.seal.key_id):
                return 0
            rows = await transaction.fetch(_waiting_rows(table), ["", *self.seal.key_ids[1:]])
            for row in rows:
                try:
                    sealed = [
                        None
                        if row[column] is None
                        else self.seal.sealed_again(place, row[table.id], row[column])
                        for column, place in table.places.items()
                    ]
                except InvalidTag:
                    log.error(  # noqa: TRY400 - no trace
                        "row cannot be decrypted: add its key to KNOWLEDGE_MASTER_KEYS_ACCEPTED",
                        table=table.name,
                    )
                    await _save(
                        transaction, table, [row[each] for each in table.key], {"sealed_with": _UNREADABLE}
                    )
                else:
                    changed = dict(zip(table.places, sealed, strict=True)) | {"sealed_with": self.seal.key_id}
                    await _save(transaction, table, [row[each] for each in table.key], changed)
        return len(rows)


def _count_waiting() -> str:
    counts = " + ".join(
        # As two ranges, for which the index is used.
        f"(SELECT count(*) FROM knowledge.{table.name} WHERE sealed_with < $1 OR sealed_with > $1)"  # noqa: S608 of constants
        for table in _TABLES
    )
    return f"SELECT {counts}"


def _waiting_rows(table: _Table) -> str:
    return f"""
        SELECT * FROM knowledge.{table.name} WHERE sealed_with = ANY($1) LIMIT {table.batch}
        FOR NO KEY UPDATE SKIP LOCKED
    """  # noqa: S608 of constants


def _change(table: _Table, columns: Iterable[str]) -> str:
    wanted = " AND ".join(f"{column} = ${number}" for number, column in enumerate(table.key, start=1))
    changes = ", ".join(
        f"{name} = ${number}" for number, name in enumerate(columns, start=len(table.key) + 1)
    )
    return f"UPDATE knowledge.{table.name} SET {changes} WHERE {wanted}"  # noqa: S608 of constants


async def _save(
    connection: Connection, table: _Table, key: list[object], changed: Mapping[str, object]
) -> None:
    await connection.execute(_change(table, changed), *key, *changed.values())
