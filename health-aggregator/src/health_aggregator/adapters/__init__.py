"""The world: one technology of checks a file, and where results go."""
