"""One verb a file: what auth-service does, told in terms of its ports."""
