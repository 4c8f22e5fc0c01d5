"""Postgres: a pool whose failures mean something, transactions, migrations and their check."""
