"""The wire: messages in, a use case, messages out."""
