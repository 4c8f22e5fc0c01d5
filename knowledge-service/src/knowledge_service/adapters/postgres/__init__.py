"""The schema `knowledge`: all SQL of this service."""
