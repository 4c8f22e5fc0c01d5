"""gRPC: message in, use case, message out."""
