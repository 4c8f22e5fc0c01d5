"""How migrations run: each `op.execute` as plain SQL. Importing this registers it with Alembic."""

from typing import Any

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
