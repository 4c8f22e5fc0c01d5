"""gRPC servers and channels: policies from the protos, typed errors, one pipeline per call."""
