"""The service over gRPC, on a real Postgres."""
