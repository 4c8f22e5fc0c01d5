"""What the repositories of auth-service promise, on Postgres with the role that the service has."""
