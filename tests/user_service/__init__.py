"""The tests of user-service."""
