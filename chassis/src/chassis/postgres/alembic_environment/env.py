"""Alembic's environment for every service: runs plain SQL on the connection it is handed."""

# ruff: noqa: INP001 - Alembic runs the file by its path

import chassis.postgres.plain_sql  # noqa: F401 - registers how SQL is run
from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=context.config.attributes["schema"],
    transaction_per_migration=True,
    on_version_apply=context.config.attributes["on_version_apply"],
)

with context.begin_transaction():
    context.run_migrations()
