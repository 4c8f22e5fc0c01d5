"""JSON to messages and back, compiled once for each message type."""
