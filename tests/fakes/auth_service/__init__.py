"""Fakes of what is outside of auth-service."""
