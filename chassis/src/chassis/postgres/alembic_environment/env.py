"""Alembic's environment for every service: runs plain SQL on the connection it is handed."""

# ruff: noqa: INP001 - Alembic runs the file by its path

from typing import Any

from alembic import context
from alembic.ddl.postgresql import PostgresqlImpl


class PlainSqlImpl(PostgresqlImpl):
    """Runs the text of `op.execute` as it stands.

    asyncpg would prepare it, which allows one statement only, and SQLAlchemy would take
    `:name` for a parameter. Registered by its dialect's name.
    """

    __dialect__ = "postgresql"

    def execute(self, sql: Any, execution_options: dict[str, Any] | None = None) -> None:
        """Runs one or many statements."""
        if not isinstance(sql, str) or self.connection is None:
            super().execute(sql, execution_options)
            return
        # Makes SQLAlchemy's adapter begin its transaction, which the raw text then joins.
        self.connection.exec_driver_sql("SELECT 1")
        adapted: Any = self.connection.connection.dbapi_connection
        adapted.run_async(lambda driver: driver.execute(sql))


context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=context.config.attributes["schema"],
    transaction_per_migration=True,
    on_version_apply=context.config.attributes["on_version_apply"],
)

with context.begin_transaction():
    context.run_migrations()
