"""What user-service does: one file per noun, one class per operation."""
