"""The history of the schema `health`."""
