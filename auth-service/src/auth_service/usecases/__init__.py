"""What auth-service does, one file per noun, in terms of its ports."""
