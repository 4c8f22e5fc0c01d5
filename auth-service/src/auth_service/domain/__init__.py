"""Nouns, errors, pure rules, and what the use cases need from adapters."""
