"""Both services over real gRPC and Postgres."""
