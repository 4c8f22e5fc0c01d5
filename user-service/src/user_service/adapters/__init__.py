"""The world as the use cases' ports want it."""
