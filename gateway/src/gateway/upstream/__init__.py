"""The services behind the gateway: channels, circuit breakers and overload gates."""
