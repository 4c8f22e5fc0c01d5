"""Credentials, sessions, tokens and the audit chain of Vestibule."""
