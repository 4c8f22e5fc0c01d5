"""The edge: turns HTTP into gRPC by what the protos declare."""
