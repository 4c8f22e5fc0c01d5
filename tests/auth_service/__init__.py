"""The tests of auth-service."""
