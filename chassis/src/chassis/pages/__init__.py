"""What the pages of all services have in common."""
