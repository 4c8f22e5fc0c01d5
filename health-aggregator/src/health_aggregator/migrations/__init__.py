"""The history of the schema `users`."""
