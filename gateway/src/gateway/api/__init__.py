"""The API as the protos declare it: descriptors to routes, messages to JSON and back, documentation."""
