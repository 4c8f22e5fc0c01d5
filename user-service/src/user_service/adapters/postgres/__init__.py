"""The schema `users`: all SQL of this service, beside its row mapping."""
