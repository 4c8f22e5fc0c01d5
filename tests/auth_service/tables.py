"""The tables of schema `auth` that tests fill, in an order in which they can be emptied."""

from tests.databases import deleting

TABLES = (
    "mails",
    "mail_targets",
    "passkey_challenges",
    "credentials",
    "attempts",
    "revocations",
    "revocations_of_all",
    "known_devices",
    "sign_in_failures",
    "signing_keys",
    "retired_signing_keys",
    "master_keys",
    "audit_events",
    "audit_heads",
    "outbox",
)
EMPTYING = deleting("auth", *TABLES)
"""Deletes every row; its owner runs it."""
