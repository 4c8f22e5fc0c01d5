"""Adapters: Postgres, Argon2, JWT and user-service behind the domain's ports."""
