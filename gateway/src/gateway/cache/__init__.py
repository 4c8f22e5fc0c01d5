"""Answers kept near, for seconds."""
