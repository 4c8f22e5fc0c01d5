"""What is outside: Postgres, Qdrant, embedding models."""
