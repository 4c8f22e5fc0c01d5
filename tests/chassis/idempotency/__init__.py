"""Running a request once per `Idempotency-Key`."""
