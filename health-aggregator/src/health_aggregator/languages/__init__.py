"""What the status pages say, in each language: one catalog per file; a file adds a language."""
