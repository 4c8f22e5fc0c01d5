"""All SQL of auth-service, by aggregate."""
