"""The API as the protos declare it: routes, JSON to messages and back, documentation."""
