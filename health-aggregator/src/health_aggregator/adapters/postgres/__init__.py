"""The schema `health`: all SQL of this service."""
