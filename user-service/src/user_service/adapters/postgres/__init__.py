"""The schema `users`: all SQL of this service."""
