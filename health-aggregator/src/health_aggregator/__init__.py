"""Fans out readiness checks and says what is wrong, since when and why."""
