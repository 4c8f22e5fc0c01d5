"""The gateway: its parts alone, and the whole of it before real gRPC services and a real Valkey."""
