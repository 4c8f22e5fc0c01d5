"""The world of auth-service in memory."""
