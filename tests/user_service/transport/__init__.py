"""Both services over gRPC and Postgres."""
