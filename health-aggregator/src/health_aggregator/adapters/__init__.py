"""One kind of check per file, and where results go."""
