"""`Idempotency-Key`: a POST that is sent again gets the response of the first."""
