"""HTTP/1.1: the server with its limits, the port for operators, and a client for health checks."""
