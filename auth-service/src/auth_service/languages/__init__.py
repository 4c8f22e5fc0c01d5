"""What pages and mails say, in each language: one catalog per file; a file adds a language."""
