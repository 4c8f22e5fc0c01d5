"""The adapters of user-service."""
