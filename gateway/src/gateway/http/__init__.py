"""HTTP at the edge: requests in, answers out, one concern a file."""
