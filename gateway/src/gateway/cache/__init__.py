"""Responses kept near, for seconds."""
