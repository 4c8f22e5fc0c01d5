"""The history of the schema `knowledge`."""
