"""Runs all of Vestibule on one machine: Postgres, Valkey and the four services as processes."""
