"""Events: written with the change in the outbox, relayed to a stream, consumed or tailed."""
