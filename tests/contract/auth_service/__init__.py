"""auth-service's repositories: every promise is asked of both."""
