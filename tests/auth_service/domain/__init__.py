"""The rules about credentials, sessions and the audit chain."""
