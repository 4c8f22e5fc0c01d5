"""Owns credentials, sessions, tokens and the audit chain."""
