"""The rules about users, without a database."""
