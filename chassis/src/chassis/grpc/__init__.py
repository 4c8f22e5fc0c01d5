"""gRPC as the house speaks it: policies from the protos, typed errors, one pipeline a call."""
