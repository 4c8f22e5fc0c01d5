"""What auth-service does, on fakes."""
