"""Identities: the caller, the claims and formats of tokens, the keys of services."""
