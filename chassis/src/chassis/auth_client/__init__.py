"""The client of auth-service: authenticates access tokens and API keys in every other program."""
