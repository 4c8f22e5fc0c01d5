"""The services behind the gateway: channels, circuit breakers and load shedders."""
