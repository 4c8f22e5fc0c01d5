"""Speech backends, the answers of knowledge-service, and the audit."""
