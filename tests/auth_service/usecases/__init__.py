"""What auth-service does, on a world in memory."""
